// RAdam, rectified Adam (Liu et al. 2019, arXiv 1908.03265, algorithm 2): a warm-up built into Adam. After t updates
// the average of squares v rests on about ρ_t gradients; while these are too few for the variance of 1/√v to be finite,
// the step does without v, and afterwards it is scaled down by a factor r_t that rises to 1.
//
//   g, m and v as Adam's;   m̂ = m/(1 − β₁ᵗ)
//   ρ_∞ = 2/(1 − β₂) − 1      ρ_t = ρ_∞ − 2t·β₂ᵗ/(1 − β₂ᵗ)
//   ρ_t > 5:   θ ← θ − η·r_t·m̂·√(1 − β₂ᵗ)/(√v + ε)      r_t = √((ρ_t−4)(ρ_t−2)ρ_∞ / ((ρ_∞−4)(ρ_∞−2)ρ_t))
//   else:      θ ← θ − η·m̂                              momentum alone: for the usual β₂, t = 1 … 5
//
// The same as torch.optim.RAdam (the paper's bound is 4, its authors' code has 5). These first steps are as large as
// the gradients are: clip them.
#pragma once

#include <tape/optim/moments.h>

namespace tape::inline TAPE_ABI::optim {

/// The defaults are PyTorch's.
struct RAdamOptions {
  double beta1 = 0.9;            ///< β₁, 0 ≤ β₁ < 1
  double beta2 = 0.999;          ///< β₂, 0 ≤ β₂ < 1
  double eps = 1e-8;             ///< ε > 0, outside the root
  double weight_decay = 0;       ///< λ ≥ 0
  bool decoupled_decay = false;  ///< λ as AdamW's instead of as part of the gradient
  DecayPredicate decay{};        ///< which parameters λ applies to; without one, those with Leaf::decay
  ParameterGroups groups{};      ///< other rates and λ for some parameters
};

class RAdam final : public MomentOptimizer {
 public:
  /// Throws Error for an option out of its range.
  explicit RAdam(ParameterList parameters, const RAdamOptions& options = {});

 private:
  Coefficients coefficients(std::size_t parameter, double rate) override;

  bool decoupled_decay_;
};

}  // namespace tape::inline TAPE_ABI::optim
