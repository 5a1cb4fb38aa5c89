// Checkpoints: all that a run needs to go on later as if it had never stopped, in one file.
#pragma once

#include <cstdint>
#include <string>

#include <tape/core/parameter.h>
#include <tape/optim/ema.h>
#include <tape/optim/optimizer.h>
#include <tape/optim/plateau.h>

namespace tape::inline TAPE_ABI::tool {

/// Writes the model's values (as "model.NAME"), the optimizer's state, that of the average of weights and what
/// `plateau` remembers (either may be missing: null), the number of steps done and what tells `run` from others, whole
/// or not at all. Other learning rates, the batches and the dropout masks are functions of the step and need no saving.
void save_checkpoint(const std::string& path, const ParameterList& model, const optim::Optimizer& optimizer,
                     const optim::Ema* ema, int64_t steps, const std::string& run,
                     const optim::Plateau* plateau = nullptr);

/// Reads them back and returns the number of steps. Throws Error, having changed no values and no average, when the
/// file is damaged or belongs to another model, run, optimizer or kind of schedule. Older files do not say which run.
int64_t load_checkpoint(const std::string& path, const ParameterList& model, optim::Optimizer& optimizer,
                        optim::Ema* ema, const std::string& run, optim::Plateau* plateau = nullptr);

/// The number of steps that were done when it was written. Throws Error when the file is damaged or no checkpoint.
int64_t checkpoint_steps(const std::string& path);

}  // namespace tape::inline TAPE_ABI::tool
