// Schedules that rise again: warm restarts, one cycle, and triangles. What schedule.h says about steps holds here too.
//
//   elsewhere                                               here
//   torch CosineAnnealingWarmRestarts(T_0, T_mult, eta_min) cosine_restarts(T_0, lr, {.floor = eta_min, .stretch =
//   T_mult}) timm CosineLRScheduler(t_initial, cycle_mul,            cosine_restarts(t_initial, lr, {.floor = lr_min,
//     cycle_decay, cycle_limit, lr_min, k_decay)              .stretch = cycle_mul, .shrink = cycle_decay,
//                                                             .cycles = cycle_limit, .k = k_decay})
//   Hugging Face cosine_with_hard_restarts(num_cycles=c)    warmup(w, lr, 0).then(hard_restarts(n-w, lr, c))
//   optax sgdr_schedule                                     warmup(…).then(cosine(…)).then(warmup(…)) …
//   torch OneCycleLR(max_lr, total_steps=n, pct_start,      one_cycle(n, max_lr, {.rise = pct_start, .start = 1/div,
//     div_factor=div, final_div_factor=final, three_phase)    .end = 1/(div·final), .three_phases = three_phase})
//   optax cosine_onecycle_schedule(n, peak)                 r = ⌊0.3·n⌋: warmup(r, peak, peak/25, DecayShape::cosine)
//                                                             .then(cosine(n-r, peak, peak/25e4))
//   torch CyclicLR(base, max, step_size_up=u, mode,         triangular(u, max, base, {.shrink = ½ for "triangular2",
//     gamma)                                                  .factor = gamma for "exp_range"})
#pragma once

#include <tape/optim/schedule.h>

namespace tape::inline TAPE_ABI::optim {

struct RestartOptions {
  double floor = 0;
  double stretch = 1;  ///< each cycle is so many times as long as the one before; at least 1
  double shrink = 1;   ///< and its peak so many times as high; above 0 and at most 1, never below the floor
  int64_t cycles = 0;  ///< how many; then the floor is held. 0: without end
  double k = 1;        ///< k-decay, see CosineOptions
};
/// Half waves from the peak to the floor, each followed by a jump back: SGDR (Loshchilov & Hutter 2016, arXiv
/// 1608.03983, equation 5). Cycle i has first_cycle·stretch^i steps, which need not be a whole number; at step
/// `first_cycle` the rate is back at the peak. With `cycles` it has the length of all of them, rounded up.
Schedule cosine_restarts(double first_cycle, double peak, const RestartOptions& options = {});

/// The same with `cycles` cycles of one length in `steps` steps: Hugging Face's cosine with hard restarts.
Schedule hard_restarts(int64_t steps, double peak, int64_t cycles, double floor = 0);

struct OneCycleOptions {
  double rise = 0.3;            ///< share of the steps in which the rate rises
  double start = 1.0 / 25;      ///< the first rate, as a share of the peak
  double end = 1.0 / 25 / 1e4;  ///< the last rate, as a share of the peak
  bool three_phases = false;    ///< down to the start in as many steps as up, and then on to the end; rise ≤ ½
  DecayShape shape = DecayShape::cosine;  ///< of every phase; linear is the paper's
};
/// Up to the peak and down to almost nothing within one run (Smith & Topin 2017, arXiv 1708.07120, section 3), counted
/// as PyTorch's OneCycleLR does: the peak is at step rise·steps − 1 and the end at step steps − 1, the last one of the
/// run.
Schedule one_cycle(int64_t steps, double peak, const OneCycleOptions& options = {});
/// The momentum (or β₁) that goes with it: `low` where the rate is at its peak, `high` at both ends.
/// Throws Error unless 0 ≤ low ≤ high < 1.
Schedule one_cycle_momentum(int64_t steps, double high = 0.95, double low = 0.85, const OneCycleOptions& options = {});

struct TriangularOptions {
  int64_t down = 0;   ///< steps from the peak to the floor; 0: as many as up
  double shrink = 1;  ///< each cycle's height above the floor is so many times that of the one before
  double factor = 1;  ///< and each step's so many times that of the step before
};
/// From the floor to the peak in `up` steps, and down again, without end: cyclical learning rates (Smith 2015, arXiv
/// 1506.01186, section 3).
Schedule triangular(int64_t up, double peak, double floor, const TriangularOptions& options = {});

}  // namespace tape::inline TAPE_ABI::optim
