#include <tape/optim/lamb.h>

#include <cmath>
#include <limits>

#include <tape/optim/norms.h>

namespace tape::inline TAPE_ABI::optim {

LAMB::LAMB(ParameterList list, const LAMBOptions& options)
    : Optimizer("lamb", std::move(list), {.averages = {"m", "v"}},
                {options.weight_decay, options.decay, options.groups}),
      options_(options),
      coefficients_(parameters().size()) {
  require_option(options.beta1 >= 0 && options.beta1 < 1, "beta1", "at least 0 and below 1", options.beta1);
  require_option(options.beta2 >= 0 && options.beta2 < 1, "beta2", "at least 0 and below 1", options.beta2);
  require_option(options.eps >= static_cast<double>(std::numeric_limits<real>::min()) && std::isfinite(options.eps),
                 "eps", "a finite number above 1e-37", options.eps);
}

void LAMB::prepare(std::size_t parameter, double rate) {
  const auto t = static_cast<double>(updates(parameter));
  coefficients_[parameter] = {rate, static_cast<real>(1 / (1 - std::pow(options_.beta1, t))),
                              static_cast<real>(1 / std::sqrt(1 - std::pow(options_.beta2, t))),
                              static_cast<real>(weight_decay(parameter))};
}

// m and v first: the length of the step is known only when all of it is. The direction r is then computed twice, once
// for its norm, which is cheaper than keeping it.
void LAMB::update_whole(std::size_t parameter) {
  update_averages(parameter);
  const bool adapts = options_.adapt ? options_.adapt(leaf(parameter)) : leaf(parameter).decay;
  const Coefficients c = coefficients_[parameter];
  const auto step = static_cast<real>(c.rate * (adapts ? trust_ratio(parameter) : 1));
  const auto eps = static_cast<real>(options_.eps);
  real* w = leaf(parameter).data();
  const real* m = average(parameter, 0);
  const real* v = average(parameter, 1);
  parallel_for(leaf(parameter).size(), elementwise_grain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      w[i] -= step * (c.average * m[i] / (std::sqrt(v[i]) * c.root + eps) + c.decay * w[i]);
    }
  });
}

void LAMB::update_averages(std::size_t parameter) {
  const auto beta1 = static_cast<real>(options_.beta1);
  const auto beta2 = static_cast<real>(options_.beta2);
  const auto fresh1 = static_cast<real>(1 - options_.beta1);
  const auto fresh2 = static_cast<real>(1 - options_.beta2);
  const real* g = leaf(parameter).gradient_data();
  real* m = average(parameter, 0);
  real* v = average(parameter, 1);
  parallel_for(leaf(parameter).size(), elementwise_grain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      m[i] = beta1 * m[i] + fresh1 * g[i];
      v[i] = beta2 * v[i] + fresh2 * g[i] * g[i];
    }
  });
}

double LAMB::trust_ratio(std::size_t parameter) const {
  const Coefficients c = coefficients_[parameter];
  const auto eps = static_cast<real>(options_.eps);
  const int64_t n = leaf(parameter).size();
  const real* w = leaf(parameter).data();
  const real* m = average(parameter, 0);
  const real* v = average(parameter, 1);
  const double step = parallel_sum(n, elementwise_grain, [=](int64_t begin, int64_t end) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) {
      const real r = c.average * m[i] / (std::sqrt(v[i]) * c.root + eps) + c.decay * w[i];
      sum += static_cast<double>(r) * static_cast<double>(r);
    }
    return sum;
  });
  const double value = sum_of_squares(w, n);
  return value > 0 && step > 0 ? std::sqrt(value / step) : 1;
}

}  // namespace tape::inline TAPE_ABI::optim
