// The folder of a run and what lies in it.
#pragma once

#include <array>
#include <string>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::tool {

class RunFolder {
 public:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string config() const { return path_ + "/config.json"; }
  std::string tokenizer() const { return path_ + "/tokenizer.json"; }
  std::string metrics() const { return path_ + "/metrics.jsonl"; }
  std::string watch() const { return path_ + "/watch.jsonl"; }
  std::string model() const { return path_ + "/model.safetensors"; }
  std::string checkpoint() const { return path_ + "/checkpoint.safetensors"; }
  /// The page about the run. No mark of a run by itself: other folders have pages of this name.
  std::string report() const { return path_ + "/report.html"; }
  /// The page about its model, no mark of a run either.
  std::string inspection() const { return path_ + "/inspect.html"; }

  /// True when the folder has a file of a run.
  bool holds_run() const;
  /// The file of another program that a run here would replace: a configuration, or a model without one. Empty when
  /// there is none.
  std::string foreign_file() const;
  /// True when it has a model and its file is not cut off.
  bool has_whole_model() const;
  /// True when it has all that a run needs to go on.
  bool can_continue() const;
  /// Throws Error that says what to do when there is no such folder, no run in it, or none of its model.
  void require_run() const;
  void require_model() const;
  /// The file of a run, the page about it included, that `path` is, by whatever way or link; empty when it is none.
  std::string same_file(const std::string& path) const;
  /// Throws Error when a page written to this file would replace a file of the run other than its report().
  void require_free_for_page(const std::string& file) const;
  /// Makes the folder, with those above it. Throws Error, having left nothing behind, when files can not be written
  /// there.
  void create() const;
  /// Removes the files of a run and the pages about it, and nothing else: a folder without a run keeps all.
  void clear() const;
  /// Removes temporary files of its own that killed programs left behind. Only for who holds the folder's lock.
  void remove_leftovers() const;

 private:
  std::array<std::string, 6> files() const {
    return {config(), tokenizer(), metrics(), watch(), model(), checkpoint()};
  }

  std::string path_;
};

}  // namespace tape::inline TAPE_ABI::tool
