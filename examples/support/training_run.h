// A training run with everything around it: status line, metrics, checkpoints and interruption.
#pragma once

#include <tape/examples/support/interrupt.h>
#include <tape/examples/support/run_folder.h>
#include <tape/examples/support/trainer.h>

namespace tape::inline TAPE_ABI::tool {

struct RunResult {
  enum class End { finished, interrupted, diverged };
  End end = End::finished;
  double validation_loss = 0;  ///< the last one measured
  StepResult last;             ///< of the last step, also of one that failed
  double seconds = 0;          ///< time spent, breaks left out
  NonFinite first_non_finite;  ///< where a watched run diverged
};

/// Trains from where the trainer stands to the end of its recipe, and writes metrics, checkpoint and model into the
/// folder, which must exist; and if the config asks for it, watch.jsonl: the first step, each one whose number is a
/// multiple of watch_every, the last one, and one that failed. On an interrupt the batch is finished and everything
/// saved. When the loss is no longer a finite number, training stops; the metrics and the last checkpoint stay.
RunResult run_training(Trainer& trainer, const RunFolder& folder, const Interrupt& interrupt);

/// Writes the model into the folder with the values that validate: averages, where the recipe has them.
void save_model(Trainer& trainer, const RunFolder& folder);

}  // namespace tape::inline TAPE_ABI::tool
