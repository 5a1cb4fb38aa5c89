#include <tape/optim/nadam.h>

#include <cmath>

namespace tape::inline TAPE_ABI::optim {

NAdam::NAdam(ParameterList list, const NAdamOptions& options)
    : MomentOptimizer("nadam", std::move(list), {options.beta1, options.beta2, options.eps},
                      {options.weight_decay, options.decay, options.groups}, {.numbers = {"product"}}),
      momentum_decay_(options.momentum_decay),
      decoupled_decay_(options.decoupled_decay) {
  require_option(momentum_decay_ >= 0 && std::isfinite(momentum_decay_), "momentum_decay",
                 "a finite number of at least 0", momentum_decay_);
}

double NAdam::momentum_at(double t) const {
  return betas().beta1 * (1 - 0.5 * std::pow(0.96, t * momentum_decay_));
}

NAdam::Coefficients NAdam::coefficients(std::size_t parameter, double rate) {
  const double decay = weight_decay(parameter);
  const auto t = static_cast<double>(updates(parameter));
  const double now = momentum_at(t);
  const double next = momentum_at(t + 1);
  double& product = number(parameter, 0);
  product = updates(parameter) == 1 ? now : product * now;
  return {.l2 = decoupled_decay_ ? 0 : decay,
          .keep = decoupled_decay_ ? 1 - rate * decay : 1,
          .gradient = rate * (1 - now) / (1 - product),
          .average = rate * next / (1 - product * next),
          .root = 1 / std::sqrt(correction(betas().beta2, parameter)),
          .eps = betas().eps};
}

}  // namespace tape::inline TAPE_ABI::optim
