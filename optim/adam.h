// Adam (Kingma & Ba 2014, arXiv 1412.6980, algorithm 1) and AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101).
//
// θ is a parameter, g its gradient, η the rate, t the number of this parameter's updates, the current one included:
//
//   Adam:  g ← g + λ·θ                       AdamW:  θ ← (1 − η·λ)·θ       or, independent, θ ← (1 − λ·η/η_max)·θ
//   m ← β₁·m + (1 − β₁)·g                    average of the gradients
//   v ← β₂·v + (1 − β₂)·g²                   average of their squares
//   θ ← θ − η · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
//
// One pass over θ, g, m and v. The same as torch.optim.Adam and AdamW without amsgrad; like these AdamW multiplies its
// decay with the rate, which the paper's algorithm 2 does not: there the factor is the schedule's multiplier alone,
// η/η_max. This independent decay stays the same when another peak is tried, so that the best peak depends less on λ
// (Wortsman et al. 2023, arXiv 2309.14322, section 3.2.2, with λ = 1e-4 where coupled decay would have 0.1).
#pragma once

#include <tape/optim/moments.h>

namespace tape::inline TAPE_ABI::optim {

/// What AdamW's weight decay is multiplied with: the rate η, or η/η_max.
enum class DecayCoupling { Coupled, Independent };

/// The defaults are the paper's and PyTorch's.
struct AdamOptions {
  double beta1 = 0.9;       ///< β₁, 0 ≤ β₁ < 1
  double beta2 = 0.999;     ///< β₂, 0 ≤ β₂ < 1
  double eps = 1e-8;        ///< ε > 0, outside the root
  double weight_decay = 0;  ///< λ ≥ 0
  bool bias_correction = true;  ///< without it, as in BERT, 1 − β₁ᵗ and 1 − β₂ᵗ become 1 and first steps are too large
  DecayPredicate decay{};    ///< which parameters λ applies to; without one, those with Leaf::decay
  ParameterGroups groups{};  ///< other rates and λ for some parameters
};

/// As AdamOptions, but for the weight decay, which is PyTorch's for AdamW.
struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
  DecayCoupling coupling = DecayCoupling::Coupled;
  double peak_rate = 0;  ///< η_max > 0, the highest rate of the schedule; for independent decay only
  bool bias_correction = true;
  DecayPredicate decay{};
  ParameterGroups groups{};  ///< with independent decay, a group's rate does not change the decay
};

/// Adam, with weight decay as part of the gradient (L2).
class Adam final : public MomentOptimizer {
 public:
  /// Throws Error for an option out of its range.
  explicit Adam(ParameterList parameters, const AdamOptions& options = {});

 private:
  Coefficients coefficients(std::size_t parameter, double rate) override;

  bool bias_correction_;
};

/// Adam with weight decay apart from the gradient.
class AdamW final : public MomentOptimizer {
 public:
  /// Throws Error for an option out of its range.
  explicit AdamW(ParameterList parameters, const AdamWOptions& options = {});

 private:
  Coefficients coefficients(std::size_t parameter, double rate) override;

  bool bias_correction_;
  DecayCoupling coupling_;
  double peak_rate_;
};

}  // namespace tape::inline TAPE_ABI::optim
