#include <tape/optim/adam.h>

#include <cmath>

namespace tape::inline TAPE_ABI::optim {

Adam::Adam(ParameterList list, const AdamOptions& options)
    : MomentOptimizer("adam", std::move(list), {options.beta1, options.beta2, options.eps},
                      {options.weight_decay, options.decay, options.groups}),
      bias_correction_(options.bias_correction) {}

Adam::Coefficients Adam::coefficients(std::size_t parameter, double rate) {
  const double correction1 = bias_correction_ ? correction(betas().beta1, parameter) : 1;
  const double correction2 = bias_correction_ ? correction(betas().beta2, parameter) : 1;
  return {.l2 = weight_decay(parameter),
          .average = rate / correction1,
          .root = 1 / std::sqrt(correction2),
          .eps = betas().eps};
}

AdamW::AdamW(ParameterList list, const AdamWOptions& options)
    : MomentOptimizer("adamw", std::move(list), {options.beta1, options.beta2, options.eps},
                      {options.weight_decay, options.decay, options.groups}),
      bias_correction_(options.bias_correction),
      coupling_(options.coupling),
      peak_rate_(options.peak_rate) {
  if (coupling_ == DecayCoupling::Coupled) return;
  require_option(peak_rate_ > 0 && std::isfinite(peak_rate_), "peak_rate",
                 "the schedule's highest rate, above 0, with independent decay", peak_rate_);
}

AdamW::Coefficients AdamW::coefficients(std::size_t parameter, double learning_rate) {
  const double correction1 = bias_correction_ ? correction(betas().beta1, parameter) : 1;
  const double correction2 = bias_correction_ ? correction(betas().beta2, parameter) : 1;
  const double factor = coupling_ == DecayCoupling::Coupled ? learning_rate : rate() / peak_rate_;
  return {.keep = 1 - factor * weight_decay(parameter),
          .average = learning_rate / correction1,
          .root = 1 / std::sqrt(correction2),
          .eps = betas().eps};
}

}  // namespace tape::inline TAPE_ABI::optim
