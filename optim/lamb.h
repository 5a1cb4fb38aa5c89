// LAMB (You et al. 2019, arXiv 1904.00962, algorithm 2): Adam's direction, with a length that follows the parameter's
// own, for large batches. The rate is the share by which a parameter changes in one step.
//
//   m and v as Adam's;   r = m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε) + λ·θ
//   θ ← θ − η·ratio·r      ratio = ‖θ‖/‖r‖, norms over the whole parameter; 1 when one of them is 0
//
// As in the authors' code, the ratio is 1 for parameters without weight decay, unless `adapt` says otherwise: a bias
// that starts at zero would get a step in proportion to itself, and hardly move.
#pragma once

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::optim {

/// The defaults are the paper's.
struct LAMBOptions {
  double beta1 = 0.9;          ///< β₁, 0 ≤ β₁ < 1
  double beta2 = 0.999;        ///< β₂, 0 ≤ β₂ < 1
  double eps = 1e-6;           ///< ε > 0, outside the root
  double weight_decay = 0.01;  ///< λ ≥ 0
  Predicate adapt{};           ///< which parameters get a ratio; without one, those with Leaf::decay
  DecayPredicate decay{};      ///< which parameters λ applies to; without one, those with Leaf::decay
  ParameterGroups groups{};    ///< other rates and λ for some parameters
};

class LAMB final : public Optimizer {
 public:
  /// Throws Error for an option out of its range.
  explicit LAMB(ParameterList parameters, const LAMBOptions& options = {});

 private:
  struct Coefficients {
    double rate;
    real average, root, decay;  // 1/(1 − β₁ᵗ), 1/√(1 − β₂ᵗ), λ
  };

  void prepare(std::size_t parameter, double rate) override;
  void update(std::size_t, int64_t, int64_t) override {}
  bool is_whole(std::size_t) const override { return true; }
  void update_whole(std::size_t parameter) override;
  void update_averages(std::size_t parameter);
  double trust_ratio(std::size_t parameter) const;

  LAMBOptions options_;
  std::vector<Coefficients> coefficients_;
};

}  // namespace tape::inline TAPE_ABI::optim
