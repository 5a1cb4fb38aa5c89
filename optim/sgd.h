// Stochastic gradient descent, with momentum (Polyak 1964; Nesterov 1983; as in Sutskever et al. 2013, "On the
// importance of initialization and momentum in deep learning", with the learning rate outside the running average).
#pragma once

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::optim {

/// The defaults are PyTorch's.
struct SGDOptions {
  double momentum = 0;       ///< μ, 0 ≤ μ < 1; with 0 nothing is kept for a parameter
  double dampening = 0;      ///< τ, 0 ≤ τ ≤ 1
  bool nesterov = false;     ///< needs μ > 0 and τ = 0
  double weight_decay = 0;   ///< λ ≥ 0
  DecayPredicate decay{};    ///< which parameters λ applies to; without one, those with Leaf::decay
  ParameterGroups groups{};  ///< other rates and λ for some parameters
};

/// θ is a parameter, g its gradient, η the rate:
///
///   g ← g + λ·θ
///   b ← μ·b + (1 − τ)·g                      b ← g at a parameter's first update
///   θ ← θ − η·b        with Nesterov         θ ← θ − η·(g + μ·b)
///
/// The same as torch.optim.SGD: weight decay is part of the gradient and passes through the momentum.
class SGD final : public Optimizer {
 public:
  /// Throws Error for an option out of its range.
  explicit SGD(ParameterList parameters, const SGDOptions& options = {});

 private:
  struct Coefficients {
    real rate, decay, fresh;  // η, λ, 1 − τ
  };

  void prepare(std::size_t parameter, double rate) override;
  void update(std::size_t parameter, int64_t begin, int64_t end) override;

  SGDOptions options_;
  std::vector<Coefficients> coefficients_;
};

}  // namespace tape::inline TAPE_ABI::optim
