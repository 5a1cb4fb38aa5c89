#include <tape/optim/radam.h>

#include <cmath>

namespace tape::inline TAPE_ABI::optim {

RAdam::RAdam(ParameterList list, const RAdamOptions& options)
    : MomentOptimizer("radam", std::move(list), {options.beta1, options.beta2, options.eps},
                      {options.weight_decay, options.decay, options.groups}),
      decoupled_decay_(options.decoupled_decay) {}

RAdam::Coefficients RAdam::coefficients(std::size_t parameter, double rate) {
  const double decay = weight_decay(parameter);
  const double step = rate / correction(betas().beta1, parameter);
  const double correction2 = correction(betas().beta2, parameter);
  const auto t = static_cast<double>(updates(parameter));
  const double last = 2 / (1 - betas().beta2) - 1;  // ρ_∞
  const double length = last - 2 * t * (1 - correction2) / correction2;
  Coefficients c{.l2 = decoupled_decay_ ? 0 : decay, .keep = decoupled_decay_ ? 1 - rate * decay : 1, .average = step};
  if (length > 5) {
    const double rectified = std::sqrt((length - 4) * (length - 2) * last / ((last - 4) * (last - 2) * length));
    c.average = step * rectified * std::sqrt(correction2);
    c.eps = betas().eps;
  } else {
    c.root = 0;
    c.eps = 1;
  }
  return c;
}

}  // namespace tape::inline TAPE_ABI::optim
