// What is checked and made before a model is trained.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <tape/examples/support/folder_lock.h>
#include <tape/examples/support/interrupt.h>
#include <tape/examples/support/run_folder.h>
#include <tape/examples/support/tokenizer.h>
#include <tape/examples/support/trainer.h>

#include "train_options.h"

namespace tapeformer {

/// A run that is ready to start, or to go on. Nobody else writes into its folder.
struct PreparedRun {
  tape::tool::RunFolder folder;
  tape::tool::FolderLock lock;
  tape::tool::CharTokenizer tokenizer;
  std::unique_ptr<tape::tool::Trainer> trainer;
  std::string rescheduled = {};  ///< what another number of steps does to a run that goes on
};

/// Checks the options against the text and the folder, reads both, and writes the first files of the run. Throws Error,
/// having written nothing, when something does not fit. Nothing, with nothing written, when it is interrupted before.
std::optional<PreparedRun> prepare(const TrainOptions& options, const tape::tool::Interrupt& interrupt);

}  // namespace tapeformer
