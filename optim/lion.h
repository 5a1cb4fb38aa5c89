// Lion, evolved sign momentum (Chen et al. 2023, arXiv 2302.06675, algorithm 2): every element moves by the rate, and
// one running average is all that is kept.
//
//   c = β₁·m + (1 − β₁)·g
//   θ ← (1 − η·λ)·θ − η·sign(c)                 sign(0) = 0
//   m ← β₂·m + (1 − β₂)·g
//
// A sign's norm is larger than that of Adam's step: the authors use a rate 3 to 10 times smaller than AdamW's, and a λ
// larger by the same factor.
#pragma once

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::optim {

/// The defaults are the paper's.
struct LionOptions {
  double beta1 = 0.9;        ///< β₁ of the step, 0 ≤ β₁ < 1
  double beta2 = 0.99;       ///< β₂ of the average, 0 ≤ β₂ < 1
  double weight_decay = 0;   ///< λ ≥ 0, apart from the gradient
  DecayPredicate decay{};    ///< which parameters λ applies to; without one, those with Leaf::decay
  ParameterGroups groups{};  ///< other rates and λ for some parameters
};

class Lion final : public Optimizer {
 public:
  /// Throws Error for an option out of its range.
  explicit Lion(ParameterList parameters, const LionOptions& options = {});

 private:
  struct Coefficients {
    real rate, keep;  // η, 1 − η·λ
  };

  void prepare(std::size_t parameter, double rate) override;
  void update(std::size_t parameter, int64_t begin, int64_t end) override;

  LionOptions options_;
  std::vector<Coefficients> coefficients_;
};

}  // namespace tape::inline TAPE_ABI::optim
