// Adam (Kingma & Ba 2014, arXiv 1412.6980, algorithm 1) and AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101).
//
// θ is a parameter, g its gradient, η the rate, t the number of this parameter's updates, the current one included:
//
//   Adam:  g ← g + λ·θ                       AdamW:  θ ← (1 − η·λ)·θ
//   m ← β₁·m + (1 − β₁)·g                    average of the gradients
//   v ← β₂·v + (1 − β₂)·g²                   average of their squares
//   θ ← θ − η · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
//
// One pass over θ, g, m and v. The same as torch.optim.Adam and AdamW without amsgrad; like these AdamW multiplies its
// decay with the rate, which the paper's algorithm 2 does not: there the factor is the schedule's multiplier alone.
#pragma once

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::optim {

/// The defaults are the paper's and PyTorch's.
struct AdamOptions {
  double beta1 = 0.9;       ///< β₁, 0 ≤ β₁ < 1
  double beta2 = 0.999;     ///< β₂, 0 ≤ β₂ < 1
  double eps = 1e-8;        ///< ε > 0, outside the root
  double weight_decay = 0;  ///< λ ≥ 0
  bool bias_correction = true;  ///< without it, as in BERT, 1 − β₁ᵗ and 1 − β₂ᵗ become 1 and first steps are too large
  DecayPredicate decay{};  ///< which parameters λ applies to; without one, those with Leaf::decay
};

/// As AdamOptions, but for the weight decay, which is PyTorch's for AdamW.
struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
  bool bias_correction = true;
  DecayPredicate decay{};
};

/// Adam, with weight decay as part of the gradient (L2).
class Adam : public Optimizer {
 public:
  /// Throws Error for an option out of its range.
  explicit Adam(ParameterList parameters, const AdamOptions& options = {});

 protected:
  enum class Decay { coupled, decoupled };
  Adam(std::string name, ParameterList parameters, const AdamOptions& options, Decay kind);

 private:
  struct Coefficients {
    real l2;    // λ in the gradient
    real keep;  // 1 − η·λ on the value
    real step;  // η/(1 − β₁ᵗ)
    real root;  // 1/√(1 − β₂ᵗ)
  };

  void prepare(std::size_t parameter, double rate) override;
  void update(std::size_t parameter, int64_t begin, int64_t end) override;

  AdamOptions options_;
  Decay decay_kind_;
  std::vector<Coefficients> coefficients_;
};

/// Adam with weight decay apart from the gradient.
class AdamW final : public Adam {
 public:
  /// Throws Error for an option out of its range.
  explicit AdamW(ParameterList parameters, const AdamWOptions& options = {});
};

}  // namespace tape::inline TAPE_ABI::optim
