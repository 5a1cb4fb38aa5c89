// Checkpoints: all that a run needs to go on later as if it had never stopped, in one file.
#pragma once

#include <cstdint>
#include <string>

#include <tape/core/parameter.h>
#include <tape/optim/ema.h>
#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::tool {

/// Writes the model's values (as "model.NAME"), the optimizer's state, that of the average of weights if there is one,
/// and the number of steps done, whole or not at all. The learning rate, the batches and the dropout masks are
/// functions of the step and need no saving.
void save_checkpoint(const std::string& path, const ParameterList& model, const optim::Optimizer& optimizer,
                     const optim::Ema* ema, int64_t steps);

/// Reads them back and returns the number of steps. Throws Error, having changed no values and no average, when the
/// file is damaged or belongs to another model or optimizer.
int64_t load_checkpoint(const std::string& path, const ParameterList& model, optim::Optimizer& optimizer,
                        optim::Ema* ema);

}  // namespace tape::inline TAPE_ABI::tool
