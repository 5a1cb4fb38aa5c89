// Schedules: the learning rate as a pure function of the step. Nothing is counted and nothing needs to be saved: a run
// that resumes at step 5000 asks for rate(5000).
//
//   const Schedule rate = warmup(200, 1e-3).then(cosine(4800, 1e-3, 1e-4));
//   for (int64_t step = 0; step < 5000; ++step) { … optimizer.step(rate(step)); }
//
// Which value belongs to which step. The first update of a run is step 0. A schedule of n steps is followed in steps
// 0 … n-1, and at step n it has arrived: linear, cosine and polynomial have their last value at step n, not at n-1, and
// hold it from there on. `a.then(b)` replaces a by b at step n; that is step 0 for b.
//   * PyTorch counts in the same way: after k calls of scheduler.step() the rate is schedule(k), and
//     SequentialLR(optimizer, [a, b], milestones=[n]) is a.then(b).
//   * Hugging Face: the same, counting from 0; its schedules with warm-up begin with a rate of 0, so that the first
//     update does nothing. Here warmup(n, peak) begins with peak/n; warmup(n, peak, 0) is theirs.
//
//   torch.optim.lr_scheduler, on an optimizer's lr          here
//   LinearLR(start_factor=a, total_iters=n)                 warmup(n, lr, a·lr)
//   LinearLR(start_factor=a, end_factor=b, total_iters=n)   linear(n, a·lr, b·lr)
//   ConstantLR(factor=a, total_iters=n)                     constant(a·lr, n).then(constant(lr))
//   CosineAnnealingLR(T_max=n, eta_min=floor)               cosine(n, lr, floor); after step n PyTorch's rises again
//   PolynomialLR(total_iters=n, power=p)                    polynomial(n, lr, 0, p)
//   StepLR(step_size=k, gamma=f)                            step_decay(lr, k, f)
//   ExponentialLR(gamma=f)                                  exponential(lr, f)
//
//   Hugging Face, w warm-up steps of n in all               here
//   get_constant_schedule_with_warmup                       warmup(w, lr, 0)
//   get_linear_schedule_with_warmup                         warmup(w, lr, 0).then(linear(n-w, lr, 0))
//   get_cosine_schedule_with_warmup                         warmup(w, lr, 0).then(cosine(n-w, lr))
//   get_polynomial_decay_schedule_with_warmup(power=p)      warmup(w, lr, 0).then(polynomial(n-w, lr, 1e-7, p))
//   get_inverse_sqrt_schedule                               warmup(w, lr, 0).then(inverse_sqrt(lr, w))
//
// All makers throw Error that names the argument for a number of steps below 0, a rate that is negative or not finite,
// and a peak or lr of 0. A stretch of 0 steps is skipped by `then`, so that a warm-up can be switched off.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>

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

 private:
  std::function<double(int64_t)> rate_;
  int64_t steps_;
};

/// lr, for ever or for a number of steps.
Schedule constant(double lr, int64_t steps = Schedule::forever);

/// peak·(s+1)/steps: the first update has peak/steps, and the last of the warm-up has the peak.
Schedule warmup(int64_t steps, double peak);
/// start + (peak − start)·s/steps: the first update has `start`, and the first one after the warm-up has the peak.
/// start = 0 is Hugging Face's, start = peak/3 the default of LinearLR, start = peak/(steps+1) nanoGPT's.
Schedule warmup(int64_t steps, double peak, double start);

/// from + (to − from)·s/steps.
Schedule linear(int64_t steps, double from, double to);

/// floor + (peak − floor)·(1 + cos(π·s/steps))/2: half a wave from the peak to the floor (Loshchilov & Hutter 2016,
/// arXiv 1608.03983, equation 5, without restarts). Throws Error when the floor is above the peak.
Schedule cosine(int64_t steps, double peak, double floor = 0);

/// to + (from − to)·(1 − s/steps)^power.
Schedule polynomial(int64_t steps, double from, double to, double power = 1);

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

/// lr·factor^s, without end.
Schedule exponential(double lr, double factor);

/// How the rate falls at the end of warmup_stable_decay.
enum class DecayShape { linear, cosine, square_root };

/// warmup(warmup_steps, peak), then the peak for stable_steps, then the decay to the floor: a run can be prolonged at
/// its plateau (Hu et al. 2024, MiniCPM, arXiv 2404.06395, section 4; shapes as in Hägele et al. 2024).
Schedule warmup_stable_decay(int64_t warmup_steps, int64_t stable_steps, int64_t decay_steps, double peak,
                             double floor = 0, DecayShape shape = DecayShape::linear);

}  // namespace tape::inline TAPE_ABI::optim
