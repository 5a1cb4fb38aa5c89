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

enum class OptimizerKind { SGD, Adam, AdamW, RAdam, NAdam, Lion, Adafactor, Muon, ScheduleFree, LAMB };
/// "sgd", "adam", "adamw", "radam", "nadam", "lion", "adafactor", "muon", "schedule-free" or "lamb". The second
/// function throws Error for another name, listing these.
std::string_view name_of(OptimizerKind kind);
OptimizerKind optimizer_kind(std::string_view name);

/// What weight decay is multiplied with: the learning rate, or the share of its peak; see optim/adam.h.
enum class DecayKind { Coupled, Independent };
/// "coupled" or "independent". The second function throws Error for another name, listing these.
std::string_view name_of(DecayKind kind);
DecayKind decay_kind(std::string_view name);

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
  double beta1 = 0.9;  ///< the momentum of SGD and Muon
  double beta2 = 0.99;
  double eps = 1e-8;  ///< of those that divide by a root
  double weight_decay = 0.1;
  DecayKind decay = DecayKind::Coupled;  ///< AdamW only
  bool bias_correction = true;           ///< Adam and AdamW only
  double ema = 0;                        ///< decay of the average of weights that is validated and saved; 0: none
  double clip = 1.0;                     ///< largest norm of the gradient; 0: any
  uint64_t seed = 1;
  int64_t validation_windows = 200;  ///< at most so many measure the validation loss
};

/// Throws Error that names the field for a value that can not be used. The maker functions check the rest.
void check(const Recipe& recipe);
/// The part of check() about the optimizer and the average of weights.
void check_optimizer(const Recipe& recipe);

/// The numbers that suit each optimizer.
struct OptimizerDefaults {
  double lr, beta1, beta2, eps, weight_decay;
};
OptimizerDefaults defaults_of(OptimizerKind kind, DecayKind decay = DecayKind::Coupled);

/// The optimizer, on these parameters. Weight decay is part of the gradient for SGD and Adam, and apart from it
/// otherwise.
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
