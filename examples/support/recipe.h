// Recipe: how a model is trained. Everything but the model, the text and the number of threads that decides what comes
// out of a run.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <tape/core/random.h>
#include <tape/optim/optimizer.h>
#include <tape/optim/schedule.h>

namespace tape::inline TAPE_ABI::tool {

enum class OptimizerKind { SGD, Adam, AdamW };
/// "sgd", "adam" or "adamw". The second function throws Error for another name, listing these.
std::string_view name_of(OptimizerKind kind);
OptimizerKind optimizer_kind(std::string_view name);

/// What the learning rate does after the warm-up, see make_schedule.
enum class ScheduleKind { Constant, Linear, Cosine, InverseSqrt, Noam, Step, Exponential, Polynomial, WSD };
/// "constant", "linear", "cosine", "inverse_sqrt", "noam", "step", "exponential", "polynomial" or "wsd". The second
/// function throws Error for another name, listing these.
std::string_view name_of(ScheduleKind kind);
ScheduleKind schedule_kind(std::string_view name);

struct Recipe {
  int64_t steps = 2000;
  int64_t batch = 12;      ///< windows in a batch
  int64_t accumulate = 1;  ///< batches whose mean gradient makes one step
  OptimizerKind optimizer = OptimizerKind::AdamW;
  double lr = 1e-3;  ///< highest learning rate
  double min_lr = 1e-4;
  ScheduleKind schedule = ScheduleKind::Cosine;
  int64_t warmup = 100;
  double beta1 = 0.9;  ///< the momentum of SGD
  double beta2 = 0.99;
  double weight_decay = 0.1;
  double clip = 1.0;  ///< largest norm of the gradient; 0: any
  uint64_t seed = 1;
  int64_t validation_windows = 200;  ///< at most so many measure the validation loss
};

/// Throws Error that names the field for a value that can not be used. The maker functions check the rest.
void check(const Recipe& recipe);

/// The optimizer, on these parameters.
std::unique_ptr<optim::Optimizer> make_optimizer(const Recipe& recipe, ParameterList parameters);

/// warmup(W, lr), then for the N = steps - W that remain:
///   constant      lr
///   linear        to min_lr in a straight line
///   cosine        to min_lr along half a wave
///   inverse_sqrt  lr·√(W/step)
///   noam          the same, with the paper's own formula, scaled so that its peak is lr
///   step          a tenth of what it was, after each third
///   exponential   to min_lr by the same factor in each step
///   polynomial    to min_lr along (1 - s/N)²
///   wsd           lr for the first 80 % of all steps, then to min_lr in a straight line
optim::Schedule make_schedule(const Recipe& recipe);

}  // namespace tape::inline TAPE_ABI::tool
