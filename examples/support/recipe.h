// Recipe: how a model is trained. Everything but the model, the text and the number of threads that decides what comes
// out of a run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tape/core/precision.h>
#include <tape/core/random.h>
#include <tape/optim/optimizer.h>
#include <tape/optim/plateau.h>
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
enum class ScheduleKind {
  Constant,
  Linear,
  Cosine,
  CosineRestarts,
  InverseSqrt,
  Noam,
  Step,
  Exponential,
  Polynomial,
  SquareRoot,
  WSD,
  WSDCosine,
  WSDSquareRoot,
  WSDExponential,
  OneCycle,
  Plateau
};
/// "constant", "linear", "cosine", "cosine_restarts", "inverse_sqrt", "noam", "step", "exponential", "polynomial",
/// "square_root", "wsd", "wsd_cosine", "wsd_sqrt", "wsd_exponential", "one_cycle" or "plateau". The second function
/// throws Error for another name, listing these.
std::string_view name_of(ScheduleKind kind);
ScheduleKind schedule_kind(std::string_view name);
/// All of them, in this order.
std::vector<ScheduleKind> schedule_kinds();
/// True for those that Recipe::min_lr is for.
bool has_lowest_rate(ScheduleKind kind);

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
  Precision precision = Precision::f32;  ///< of matrix products, see nn::set_precision
  int64_t validation_windows = 200;      ///< at most so many measure the validation loss
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

/// The part of check() about warm-up and schedule.
void check_schedule(const Recipe& recipe);

/// warmup(W, lr), then for the N = steps - W that remain:
///   constant         lr
///   linear           to min_lr in a straight line
///   cosine           to min_lr along half a wave
///   cosine_restarts  three times from lr to min_lr along half a wave, each twice as long as the one before
///   inverse_sqrt     lr·√(W/step)
///   noam             the same, with the paper's own formula, scaled so that its peak is lr
///   step             a tenth of what it was, after each third
///   exponential      to min_lr by the same factor in each step
///   polynomial       to min_lr along (1 - s/N)²
///   square_root      to min_lr along 1 - √(s/N)
///   wsd              lr for the first 80 % of all steps, then to min_lr in a straight line; wsd_cosine, wsd_sqrt,
///                    wsd_exponential: along the other shapes
///   one_cycle        from lr/25 to lr and down to min_lr along half waves
///   plateau          lr, times the Plateau of make_plateau
optim::Schedule make_schedule(const Recipe& recipe);

/// What listens to the validation loss with the plateau schedule, nothing with others: a factor that begins with 1 and
/// is halved whenever three losses in a row were no better than the best, down to min_lr/lr.
std::optional<optim::Plateau> make_plateau(const Recipe& recipe);

/// What `warmup` and `min_lr` are unless they are given, from `steps`, `lr` and `schedule`: a warm-up of 100 steps or a
/// tenth of the run, and a tenth of lr; with one_cycle 30 % of the run, and lr/250,000, as in PyTorch.
int64_t default_warmup(const Recipe& recipe);
double default_min_lr(const Recipe& recipe);

/// The warm-up that a person asks for: a number, or "untuned" for optim::untuned_warmup(beta2), at most as long as the
/// run. Throws Error for another text, and for "untuned" with sgd.
int64_t warmup_steps(const std::string& text, const Recipe& recipe);

}  // namespace tape::inline TAPE_ABI::tool
