// Schedules: the learning rate as a pure function of the step. Nothing is counted and nothing needs to be saved: a run
// that resumes at step 5000 asks for rate(5000). Here are the simple shapes and how they are put together;
// schedule_cycles.h has those that rise again, plateau.h the one that listens to the loss.
//
//   const Schedule rate = warmup(200, 1e-3).then(cosine(4800, 1e-3, 1e-4));
//   for (int64_t step = 0; step < 5000; ++step) { … optimizer.step(rate(step)); }
//
// Which value belongs to which step. The first update of a run is step 0. A schedule of n steps is followed in steps
// 0 … n-1, and at step n it has arrived: linear, cosine and polynomial have their last value at step n, not at n-1, and
// hold it from there on. `a.then(b)` replaces a by b at step n; that is step 0 for b.
//   * PyTorch counts in the same way: after k calls of scheduler.step() the rate is schedule(k), and
//     SequentialLR(optimizer, [a, b], milestones=[n]) is a.then(b). OneCycleLR alone arrives at step n-1.
//   * Hugging Face: the same, counting from 0; its schedules with warm-up begin with a rate of 0, so that the first
//     update does nothing. Here warmup(n, peak) begins with peak/n; warmup(n, peak, 0) is theirs.
//   * optax: as Hugging Face, but the decay_steps of its warmup_… schedules include the warm-up.
//   * timm: as Hugging Face, and with warmup_prefix=False its decay counts from the begin of the warm-up, so that the
//     rate jumps where the warm-up ends: warmup(w, lr, 0) for w steps, then the decay from its own step w on.
//   * nanoGPT begins with peak/(n+1); Tensor2Tensor counts steps from 1, as noam does here.
//
//   torch.optim.lr_scheduler, on an optimizer's lr          here
//   LinearLR(start_factor=a, total_iters=n)                 warmup(n, lr, a·lr)
//   LinearLR(start_factor=a, end_factor=b, total_iters=n)   linear(n, a·lr, b·lr)
//   ConstantLR(factor=a, total_iters=n)                     constant(a·lr, n).then(constant(lr))
//   CosineAnnealingLR(T_max=n, eta_min=floor)               cosine(n, lr, floor); after step n PyTorch's rises again
//   PolynomialLR(total_iters=n, power=p)                    polynomial(n, lr, 0, p)
//   StepLR(step_size=k, gamma=f)                            step_decay(lr, k, f)
//   MultiStepLR(milestones=m, gamma=f)                      multi_step(lr, m, f)
//   ExponentialLR(gamma=f)                                  exponential(lr, f)
//   SequentialLR, ChainedScheduler                          a.then(b), a.times(b) with b a factor
//
//   Hugging Face get_…_schedule, w warm-up steps of n       here
//   constant_…_with_warmup                                  warmup(w, lr, 0)
//   linear_…_with_warmup                                    warmup(w, lr, 0).then(linear(n-w, lr, 0))
//   cosine_…_with_warmup(num_cycles=c)                      warmup(w, lr, 0).then(cosine(n-w, lr, {.waves = c}))
//   cosine_with_min_lr_…_with_warmup(min_lr=m)              the same with {.floor = m}
//   polynomial_decay_…_with_warmup(power=p)                 warmup(w, lr, 0).then(polynomial(n-w, lr, 1e-7, p))
//   inverse_sqrt_schedule(timescale=t)                      warmup(w, lr, 0).then(inverse_sqrt(lr, t)); t = w by
//   default wsd_schedule(warmup_type, decay_type, min_lr_ratio=r)   warmup(w, lr, r·lr, shape).then(constant(lr,
//   stable))
//                                                             .then(decay(shape, d, lr, r·lr)); cosine by default
//
//   optax                                                   here
//   linear_schedule, polynomial_schedule                    linear, polynomial
//   cosine_decay_schedule(alpha=a, exponent=p)              cosine(n, lr, {.floor = a·lr, .exponent = p})
//   warmup_cosine_decay_schedule(init, lr, w, n, end)       warmup(w, lr, init).then(cosine(n-w, lr, end))
//   exponential_decay(transition_steps=k, decay_rate=f)     exponential(lr, f^(1/k)); with staircase step_decay(lr, k,
//   f) piecewise_constant_schedule({m: f})                     multi_step(lr, m, f) join_schedules a.then(b)
//
//   timm, warmup_prefix=True                                here
//   CosineLRScheduler(t_initial=n, lr_min=m, k_decay=k)     warmup(w, lr, 0).then(cosine(n, lr, {.floor = m, .k = k}))
//   PolyLRScheduler(power=0.5, k_decay=k)                   warmup(w, lr, 0).then(polynomial(n, lr, m, 0.5, k))
//
// All makers throw Error that names the argument for a number of steps below 0, a rate that is negative or not finite,
// and a peak or lr of 0. A stretch of 0 steps is skipped by `then`, so that a warm-up can be switched off. Between its
// ends a shape is never above the larger or below the smaller one, to the last bit.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::optim {

class Schedule {
 public:
  static constexpr int64_t forever = std::numeric_limits<int64_t>::max();

  /// A schedule of your own: `rate` is called with 0 ≤ step ≤ steps, must not depend on anything else that changes, and
  /// gives at `steps` what is held afterwards. Throws Error when rate is empty or steps is negative.
  explicit Schedule(std::function<double(int64_t)> rate, int64_t steps = forever);

  /// The learning rate of this step. Throws Error for a negative step.
  double operator()(int64_t step) const;
  /// Its length; `forever` for one without end.
  int64_t steps() const { return steps_; }

  /// This schedule for steps() steps, then `next` from its own step 0. Throws Error when this one never ends.
  Schedule then(const Schedule& next) const;
  /// This schedule for at most `count` steps, to be followed by another: exponential(1e-3, 0.999).first(1000).
  Schedule first(int64_t count) const;
  /// The product of both in each step, as long as the longer one: cosine(900, 1e-3).times(exponential_warmup(50, 1)).
  Schedule times(const Schedule& factor) const;

 private:
  std::function<double(int64_t)> rate_;
  int64_t steps_;
};

/// How a rate falls from a peak to a floor, as x = s/steps goes from 0 to 1:
///   linear       floor + (peak − floor)·(1 − x)
///   cosine       floor + (peak − floor)·(1 + cos πx)/2
///   square_root  floor + (peak − floor)·(1 − √x)          fast at first: "1-sqrt" of Hägele et al. 2024
///   exponential  peak·(floor/peak)^x                      by the same factor in each step; the floor must be above 0
enum class DecayShape { linear, cosine, square_root, exponential };

/// lr, for ever or for a number of steps.
Schedule constant(double lr, int64_t steps = Schedule::forever);

/// peak·(s+1)/steps: the first update has peak/steps, and the last of the warm-up has the peak.
Schedule warmup(int64_t steps, double peak);
/// A decay from the peak to `start`, walked backwards; linear: start + (peak − start)·s/steps. The first update has
/// `start`, and the first one after the warm-up has the peak. start = 0 is Hugging Face's, start = peak/3 the default
/// of LinearLR, start = peak/(steps+1) nanoGPT's. Throws Error when start is above the peak, unless linear.
Schedule warmup(int64_t steps, double peak, double start, DecayShape shape = DecayShape::linear);
/// peak·(1 − e^(−(s+1)/period)), without end: the exponential warm-up of Ma & Yarats 2019 (arXiv 1910.04209, section
/// 5), untuned for a period of 1/(1 − β₂). With peak 1 a factor for Schedule::times.
Schedule exponential_warmup(double period, double peak);
/// 2/(1 − β₂), rounded: so many steps make a linear warm-up that does for Adam what RAdam's rectification does, with
/// nothing to tune (Ma & Yarats 2019, section 5): 40, 100 and 2000 for β₂ = 0.95, 0.98 and 0.999.
/// Throws Error unless 0 ≤ β₂ < 1.
int64_t untuned_warmup(double beta2);

/// The decay of this shape. Throws Error when the floor is above the peak.
Schedule decay(DecayShape shape, int64_t steps, double peak, double floor);

/// from + (to − from)·s/steps.
Schedule linear(int64_t steps, double from, double to);

/// floor + (peak − floor)·(1 + cos(π·s/steps))/2: half a wave from the peak to the floor (Loshchilov & Hutter 2016,
/// arXiv 1608.03983, equation 5, without restarts). Throws Error when the floor is above the peak.
Schedule cosine(int64_t steps, double peak, double floor = 0);

struct CosineOptions {
  double floor = 0;
  double waves = 0.5;   ///< of the cosine in all the steps; 1.5 comes back to the peak and falls again
  double k = 1;         ///< k-decay of Zhang & Li 2020, arXiv 2004.05909: above 1 stays high for longer
  double exponent = 1;  ///< optax's: above 1 falls sooner
};
/// floor + (peak − floor)·((1 + cos(2π·waves·(s/steps)^k))/2)^exponent.
Schedule cosine(int64_t steps, double peak, const CosineOptions& options);

/// to + (from − to)·(1 − (s/steps)^k)^power, with the k of k-decay.
Schedule polynomial(int64_t steps, double from, double to, double power = 1, double k = 1);

/// from + (to − from)·√(s/steps): falls fast at first. The cooldown "1-sqrt" of Hägele et al. 2024, arXiv 2405.18392.
Schedule square_root(int64_t steps, double from, double to);

/// peak·√(timescale/(timescale + s)), without end. After a warm-up of `timescale` steps this is the decay with 1/√step
/// of the whole run that Xiong et al. 2020 (arXiv 2002.04745), fairseq and Hugging Face use.
Schedule inverse_sqrt(double peak, int64_t timescale);

/// factor · width^-½ · min(t^-½, t·warmup_steps^-3/2) with t = s+1: the schedule of "Attention is all you need"
/// (Vaswani et al. 2017, arXiv 1706.03762, equation 3), whose steps count from 1. It rises to
/// factor/√(width·warmup_steps).
Schedule noam(int64_t width, int64_t warmup_steps, double factor = 1);

/// lr·factor^⌊s/every⌋, without end.
Schedule step_decay(double lr, int64_t every, double factor);

/// lr·factor^(how many milestones are at s or before), without end. Throws Error unless the milestones ascend.
Schedule multi_step(double lr, const std::vector<int64_t>& milestones, double factor);

/// lr·factor^s, without end.
Schedule exponential(double lr, double factor);

/// lr·½^(s/half), without end: the decay of MiniCPM (Hu et al. 2024, arXiv 2404.06395, section 4) after its plateau.
Schedule half_life(double lr, double half);

/// warmup(warmup_steps, peak), then the peak for stable_steps, then the decay to the floor: a run can be prolonged at
/// its plateau (Hu et al. 2024, MiniCPM, arXiv 2404.06395, section 4; shapes as in Hägele et al. 2024).
Schedule warmup_stable_decay(int64_t warmup_steps, int64_t stable_steps, int64_t decay_steps, double peak,
                             double floor = 0, DecayShape shape = DecayShape::linear);

}  // namespace tape::inline TAPE_ABI::optim
