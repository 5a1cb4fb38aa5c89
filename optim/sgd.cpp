#include <tape/optim/sgd.h>

namespace tape::inline TAPE_ABI::optim {

SGD::SGD(ParameterList list, const SGDOptions& options)
    : Optimizer("sgd", std::move(list), options.momentum == 0 ? Memory{} : Memory{.averages = {"momentum"}},
                {options.weight_decay, options.decay, options.groups}),
      options_(options),
      coefficients_(parameters().size()) {
  require_option(options.momentum >= 0 && options.momentum < 1, "momentum", "at least 0 and below 1", options.momentum);
  require_option(options.dampening >= 0 && options.dampening <= 1, "dampening", "between 0 and 1", options.dampening);
  if (options.nesterov) {
    require_option(options.momentum > 0, "momentum", "above 0 with nesterov", options.momentum);
    require_option(options.dampening == 0, "dampening", "0 with nesterov", options.dampening);
  }
}

void SGD::prepare(std::size_t parameter, double rate) {
  const bool first = updates(parameter) == 1;  // the running average is zero, and becomes g undamped
  coefficients_[parameter] = {static_cast<real>(rate), static_cast<real>(weight_decay(parameter)),
                              static_cast<real>(first ? 1 : 1 - options_.dampening)};
}

void SGD::update(std::size_t parameter, int64_t begin, int64_t end) {
  const Coefficients c = coefficients_[parameter];
  const real* g = leaf(parameter).gradient_data();
  real* w = leaf(parameter).data();
  if (options_.momentum == 0) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) w[i] -= c.rate * (g[i] + c.decay * w[i]);
    return;
  }
  const auto momentum = static_cast<real>(options_.momentum);
  const real of_gradient = options_.nesterov ? real{1} : real{0};
  const real of_average = options_.nesterov ? momentum : real{1};
  real* b = average(parameter, 0);
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const real gi = g[i] + c.decay * w[i];
    const real bi = momentum * b[i] + c.fresh * gi;
    b[i] = bi;
    w[i] -= c.rate * (of_gradient * gi + of_average * bi);
  }
}

}  // namespace tape::inline TAPE_ABI::optim
