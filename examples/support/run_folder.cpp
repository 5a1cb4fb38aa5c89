#include <tape/examples/support/run_folder.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include <tape/core/atomic_file.h>
#include <tape/core/safetensors.h>
#include <tape/examples/support/folder_lock.h>

namespace tape::inline TAPE_ABI::tool {

namespace fs = std::filesystem;

namespace {

// The highest folder on the way to `path` that does not exist; empty when all exist.
fs::path first_missing(const fs::path& path) {
  fs::path missing;
  std::error_code ignored;
  for (fs::path p = path; !p.empty() && !fs::exists(fs::symlink_status(p, ignored)); p = p.parent_path()) missing = p;
  return missing;
}

bool exists(const std::string& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

}  // namespace

bool RunFolder::holds_run() const {
  const auto present = [](const std::string& file) {
    std::error_code ignored;
    return fs::exists(fs::symlink_status(file, ignored));
  };
  return std::ranges::any_of(files(), present);
}

std::string RunFolder::foreign_file() const {
  if (!exists(config())) return exists(model()) ? model() : "";
  std::error_code ignored;
  if (fs::file_size(config(), ignored) == 0) return "";  // nobody's
  std::ifstream file(config());
  std::string begin(256, '\0');  // the format is the first entry
  file.read(begin.data(), std::ssize(begin));
  return begin.find("tapeformer run") == std::string::npos ? config() : "";
}

bool RunFolder::has_whole_model() const {
  try {
    SafetensorsFile::open(model());
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool RunFolder::can_continue() const {
  return exists(config()) && exists(tokenizer()) && exists(checkpoint());
}

void RunFolder::require_run() const {
  const char* const advice = ": give that of a run, as train --out makes it";
  std::error_code ignored;
  if (!exists(path_)) throw Error(str("there is no folder ", path_, advice));
  if (!fs::is_directory(path_, ignored)) throw Error(str(path_, " is not a folder", advice));
  if (!exists(config())) throw Error(str(path_, " holds no run, ", config(), " is missing", advice));
}

void RunFolder::require_model() const {
  require_run();
  if (exists(model())) return;
  if (FolderLock::is_taken(path_))
    throw Error(str("the run in ", path_, " has no model yet: a process is training it, whose first checkpoint brings ",
                    model()));
  throw Error(str("the run in ", path_, " has no model, ", model(), " is missing: train ",
                  can_continue() ? str("--resume ", path_, " goes on and writes it")
                                 : str("--out ", path_, " --force starts the run anew")));
}

std::string RunFolder::same_file(const std::string& path) const {
  std::vector<std::string> own{report()};
  for (const std::string& file : files()) own.push_back(file);
  const auto same = [&path](const std::string& file) {
    std::error_code ignored;  // that one of them is not there
    return fs::equivalent(file, path, ignored);
  };
  const auto found = std::ranges::find_if(own, same);
  return found == own.end() ? "" : *found;
}

void RunFolder::require_free_for_page(const std::string& file) const {
  const std::string own = same_file(file);
  if (!own.empty() && own != report())
    throw Error(str("--out ", file, " is a file of the run in ", path_, ": give the page another name"));
}

void RunFolder::create() const {
  const fs::path folder = fs::absolute(path_).lexically_normal() / "";
  const fs::path made = first_missing(folder.parent_path());
  const auto give_up = [&](const std::string& why) {
    std::error_code ignored;
    if (!made.empty()) fs::remove_all(made, ignored);
    throw Error(str("can not write to the output folder ", path_, ": ", why));
  };
  std::error_code code;
  for (fs::path above = folder.parent_path(); above.has_relative_path(); above = above.parent_path()) {
    if (fs::exists(above, code) && !fs::is_directory(above, code))
      give_up(str("there is a file of the name ", above.string(), "; give --out another one"));
  }
  fs::create_directories(folder, code);
  if (code) give_up(code.message());
  for (const std::string& file : files()) {
    if (fs::is_directory(file, code)) give_up(str("there is a folder named ", file));
  }
  try {
    const AtomicFile trial(config());  // goes away without a commit
  } catch (const Error& error) {
    give_up(error.what());
  }
}

void RunFolder::clear() const {
  if (!holds_run()) return;
  std::vector<std::string> old{report(), inspection()};
  for (const std::string& file : files()) old.push_back(file);
  for (const std::string& file : old) {
    std::error_code code;
    fs::remove(file, code);
    if (code) throw Error(str("can not replace ", file, ": ", code.message()));
  }
}

void RunFolder::remove_leftovers() const {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, ignored)) {
    const std::string name = entry.path().filename().string();
    const auto is_temporary_of = [&name](const std::string& file) {
      return name.starts_with(fs::path(file).filename().string() + AtomicFile::temporary_mark);
    };
    if (std::ranges::any_of(files(), is_temporary_of)) fs::remove(entry.path(), ignored);
  }
}

}  // namespace tape::inline TAPE_ABI::tool
