// The options of tapeformer train.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>

#include <tape/examples/support/config.h>

namespace tapeformer {

struct TrainOptions {
  tape::tool::RunConfig config;  ///< complete but for the text's size and the vocabulary
  std::string out;
  std::string resume;  ///< folder of the run to continue; empty: a new one
  bool force = false;
  int serve = -1;  ///< port for the page of the run; negative: none
  std::string serve_address = "127.0.0.1";

  /// What may be given along with --resume, each only when it was given.
  std::optional<std::string> text, pairs;
  std::optional<int64_t> steps, log_every, eval_every, save_every;
  std::optional<std::string> watch;  ///< as it was given: empty for as often as suits the run
  /// Puts these into the config of the run that is continued.
  void apply_to(tape::tool::RunConfig& config) const;
};

/// Adds the subcommand, which calls `run` with options that are complete and do not contradict each other.
void add_train_options(CLI::App& app, const std::function<void(const TrainOptions&)>& run);

}  // namespace tapeformer
