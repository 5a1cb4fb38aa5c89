#include <tape/optim/adam.h>

#include <cmath>
#include <limits>

namespace tape::inline TAPE_ABI::optim {

Adam::Adam(ParameterList parameters, const AdamOptions& options)
    : Adam("adam", std::move(parameters), options, Decay::coupled) {}

AdamW::AdamW(ParameterList parameters, const AdamWOptions& options)
    : Adam("adamw", std::move(parameters),
           {options.beta1, options.beta2, options.eps, options.weight_decay, options.bias_correction, options.decay},
           Decay::decoupled) {}

Adam::Adam(std::string name, ParameterList list, const AdamOptions& options, Decay kind)
    : Optimizer(std::move(name), std::move(list), {"m", "v"}, options.decay),
      options_(options),
      decay_kind_(kind),
      coefficients_(parameters().size()) {
  require_option(options.beta1 >= 0 && options.beta1 < 1, "beta1", "at least 0 and below 1", options.beta1);
  require_option(options.beta2 >= 0 && options.beta2 < 1, "beta2", "at least 0 and below 1", options.beta2);
  // An eps that rounds to zero would give 0/0 where a gradient is zero.
  require_option(options.eps >= static_cast<double>(std::numeric_limits<real>::min()) && std::isfinite(options.eps),
                 "eps", "a finite number above 1e-37", options.eps);
  require_option(options.weight_decay >= 0 && std::isfinite(options.weight_decay), "weight_decay",
                 "a finite number of at least 0", options.weight_decay);
}

void Adam::prepare(std::size_t parameter, double rate) {
  const double decay = slot(parameter).decays ? options_.weight_decay : 0;
  const auto t = static_cast<double>(slot(parameter).updates);
  const double correction1 = options_.bias_correction ? 1 - std::pow(options_.beta1, t) : 1;
  const double correction2 = options_.bias_correction ? 1 - std::pow(options_.beta2, t) : 1;
  const bool coupled = decay_kind_ == Decay::coupled;
  coefficients_[parameter] = {static_cast<real>(coupled ? decay : 0), static_cast<real>(coupled ? 1 : 1 - rate * decay),
                              static_cast<real>(rate / correction1), static_cast<real>(1 / std::sqrt(correction2))};
}

void Adam::update(std::size_t parameter, int64_t begin, int64_t end) {
  const Coefficients c = coefficients_[parameter];
  const auto beta1 = static_cast<real>(options_.beta1);
  const auto beta2 = static_cast<real>(options_.beta2);
  const auto fresh1 = static_cast<real>(1 - options_.beta1);
  const auto fresh2 = static_cast<real>(1 - options_.beta2);
  const auto eps = static_cast<real>(options_.eps);
  const real* g = leaf(parameter).gradient_data();
  real* w = leaf(parameter).data();
  real* m = average(parameter, 0);
  real* v = average(parameter, 1);
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const real gi = g[i] + c.l2 * w[i];
    const real mi = beta1 * m[i] + fresh1 * gi;
    const real vi = beta2 * v[i] + fresh2 * gi * gi;
    m[i] = mi;
    v[i] = vi;
    w[i] = c.keep * w[i] - c.step * mi / (std::sqrt(vi) * c.root + eps);
  }
}

}  // namespace tape::inline TAPE_ABI::optim
