// NAdam, Adam with Nesterov's momentum (Dozat 2016, "Incorporating Nesterov Momentum into Adam", algorithm 2): the step
// looks ahead to where the momentum will carry.
//
//   g, m and v as Adam's
//   μ_t = β₁·(1 − ½·0.96^(t·ψ))      a momentum that rises to β₁
//   θ ← θ − η·( (1 − μ_t)/(1 − Π μ_i)·g + μ_t+1/(1 − μ_t+1·Π μ_i)·m ) / (√(v/(1 − β₂ᵗ)) + ε)      Π over i = 1 … t
//
// The same as torch.optim.NAdam from version 2.0 on; before, its second product had the factor μ_t twice.
#pragma once

#include <tape/optim/moments.h>

namespace tape::inline TAPE_ABI::optim {

/// The defaults are PyTorch's.
struct NAdamOptions {
  double beta1 = 0.9;            ///< β₁, 0 ≤ β₁ < 1
  double beta2 = 0.999;          ///< β₂, 0 ≤ β₂ < 1
  double eps = 1e-8;             ///< ε > 0, outside the root
  double weight_decay = 0;       ///< λ ≥ 0
  double momentum_decay = 4e-3;  ///< ψ ≥ 0
  bool decoupled_decay = false;  ///< λ as AdamW's instead of as part of the gradient
  DecayPredicate decay{};        ///< which parameters λ applies to; without one, those with Leaf::decay
  ParameterGroups groups{};      ///< other rates and λ for some parameters
};

class NAdam final : public MomentOptimizer {
 public:
  /// Throws Error for an option out of its range.
  explicit NAdam(ParameterList parameters, const NAdamOptions& options = {});

 private:
  Coefficients coefficients(std::size_t parameter, double rate) override;
  double momentum_at(double t) const;

  double momentum_decay_;
  bool decoupled_decay_;
};

}  // namespace tape::inline TAPE_ABI::optim
