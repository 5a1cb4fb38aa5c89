// config.json: everything about a run that another program, or the same one later, needs to know.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tape/examples/support/corpus.h>
#include <tape/examples/support/recipe.h>
#include <tape/nn/model_config.h>

namespace tape::inline TAPE_ABI::tool {

/// The text of a run, or its file of pairs, so that a continued run can check that it is still the same.
struct TextInfo {
  std::string path;
  int64_t characters = 0;
  std::string fingerprint;  ///< of the characters, see fingerprint()
};

/// How often a run reports and saves; changes nothing about what it computes, but for the plateau schedule, which
/// listens to the validation loss.
struct Reporting {
  int64_t log_every = 10;
  int64_t eval_every = 200;
  int64_t save_every = 500;
  int64_t watch_every = 0;  ///< steps between lines of watch.jsonl; 0: none
};

struct RunConfig {
  nn::Architecture architecture = nn::Architecture::DecoderOnly;
  nn::ModelConfig model;
  Recipe recipe;
  Reporting reporting;
  TextInfo text;
};

/// Throws Error that names the field for a value out of range, and for a model that can not fit this machine's memory.
/// The model, the optimizer and the schedule check the rest when they are made.
void check(const RunConfig& config);
/// The same and that rest, but for what memory the vocabulary takes: the text need not be known.
void check_settings(RunConfig config);

/// 16 hexadecimal digits that differ for different texts: FNV-1a, 64 bits, over the code points.
std::string fingerprint(std::u32string_view text);

std::string to_json(const RunConfig& config);
/// Throws Error that starts with `source` for JSON that is damaged, has missing, unknown or wrong entries. Entries that
/// the first version did not have may be missing, and then have their defaults.
RunConfig run_config(std::string_view json, const std::string& source);

/// Writes the file whole or not at all; reads and checks it.
void save_config(const std::string& path, const RunConfig& config);
RunConfig load_config(const std::string& path);

}  // namespace tape::inline TAPE_ABI::tool
