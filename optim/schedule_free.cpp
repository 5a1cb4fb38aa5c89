#include <tape/optim/schedule_free.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

enum Average : std::size_t { squares, steps_point, average_point };  // v, z, x
enum Number : std::size_t { weights, highest_rate };                 // Σw, η_max

}  // namespace

ScheduleFree::ScheduleFree(ParameterList list, const ScheduleFreeOptions& options)
    : Optimizer("schedule-free", std::move(list), {.averages = {"v", "z", "x"}, .numbers = {"weights", "highest_rate"}},
                {options.weight_decay, options.decay, options.groups}),
      options_(options),
      coefficients_(parameters().size()) {
  require_option(options.beta >= 0 && options.beta < 1, "beta", "at least 0 and below 1", options.beta);
  require_option(options.beta2 >= 0 && options.beta2 < 1, "beta2", "at least 0 and below 1", options.beta2);
  require_option(options.eps >= static_cast<double>(std::numeric_limits<real>::min()) && std::isfinite(options.eps),
                 "eps", "a finite number above 1e-37", options.eps);
}

void ScheduleFree::prepare(std::size_t parameter, double rate) {
  if (updates(parameter) == 1) {  // all three points are where the parameter is
    const real* y = leaf(parameter).data();
    for (const Average point : {steps_point, average_point}) {
      real* to = average(parameter, point);
      parallel_for(leaf(parameter).size(), elementwise_grain,
                   [=](int64_t begin, int64_t end) { std::copy(y + begin, y + end, to + begin); });
    }
  }
  double& highest = number(parameter, highest_rate);
  highest = std::max(highest, rate);
  number(parameter, weights) += highest * highest;
  const double share = highest > 0 ? highest * highest / number(parameter, weights) : 0;
  const double correction = 1 - std::pow(options_.beta2, static_cast<double>(updates(parameter)));
  coefficients_[parameter] = {static_cast<real>(rate), static_cast<real>(weight_decay(parameter)),
                              static_cast<real>(1 / std::sqrt(correction)), static_cast<real>(share)};
}

void ScheduleFree::update(std::size_t parameter, int64_t begin, int64_t end) {
  const Coefficients c = coefficients_[parameter];
  const auto beta = static_cast<real>(options_.beta);
  const auto beta2 = static_cast<real>(options_.beta2);
  const auto fresh2 = static_cast<real>(1 - options_.beta2);
  const auto eps = static_cast<real>(options_.eps);
  const real* g = leaf(parameter).gradient_data();
  real* y = leaf(parameter).data();
  real* v = average(parameter, squares);
  real* z = average(parameter, steps_point);
  real* x = average(parameter, average_point);
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const real vi = beta2 * v[i] + fresh2 * g[i] * g[i];
    const real zi = z[i] - c.rate * (g[i] / (std::sqrt(vi) * c.root + eps) + c.decay * y[i]);
    const real xi = x[i] + c.share * (zi - x[i]);
    v[i] = vi;
    z[i] = zi;
    x[i] = xi;
    y[i] = zi + beta * (xi - zi);
  }
}

// A handle on x itself: nothing is copied.
Storage ScheduleFree::evaluation_value(std::size_t parameter) const {
  return updates(parameter) > 0 ? shared_average(parameter, average_point) : leaf(parameter).value;
}

}  // namespace tape::inline TAPE_ABI::optim
