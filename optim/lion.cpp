#include <tape/optim/lion.h>

namespace tape::inline TAPE_ABI::optim {

Lion::Lion(ParameterList list, const LionOptions& options)
    : Optimizer("lion", std::move(list), {.averages = {"m"}}, {options.weight_decay, options.decay, options.groups}),
      options_(options),
      coefficients_(parameters().size()) {
  require_option(options.beta1 >= 0 && options.beta1 < 1, "beta1", "at least 0 and below 1", options.beta1);
  require_option(options.beta2 >= 0 && options.beta2 < 1, "beta2", "at least 0 and below 1", options.beta2);
}

void Lion::prepare(std::size_t parameter, double rate) {
  coefficients_[parameter] = {static_cast<real>(rate), static_cast<real>(1 - rate * weight_decay(parameter))};
}

void Lion::update(std::size_t parameter, int64_t begin, int64_t end) {
  const Coefficients c = coefficients_[parameter];
  const auto beta1 = static_cast<real>(options_.beta1);
  const auto beta2 = static_cast<real>(options_.beta2);
  const auto fresh1 = static_cast<real>(1 - options_.beta1);
  const auto fresh2 = static_cast<real>(1 - options_.beta2);
  const real* g = leaf(parameter).gradient_data();
  real* w = leaf(parameter).data();
  real* m = average(parameter, 0);
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const real direction = beta1 * m[i] + fresh1 * g[i];
    const real up = direction > 0 ? c.rate : real{0};
    const real down = direction < 0 ? c.rate : real{0};
    w[i] = c.keep * w[i] - up + down;
    m[i] = beta2 * m[i] + fresh2 * g[i];
  }
}

}  // namespace tape::inline TAPE_ABI::optim
