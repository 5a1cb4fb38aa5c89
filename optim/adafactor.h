// Adafactor (Shazeer & Stern 2018, arXiv 1804.04235, algorithms 4 and 5): Adam's scaling from a memory of rows +
// columns instead of rows · columns. A matrix's average of squares is kept as the averages of its rows and columns
// alone, whose product, over the mean of all, stands in for the whole.
//
//   β_t = 1 − t^-decay_exponent                                   t updates of this parameter
//   matrices:  R ← β_t·R + (1 − β_t)·mean over columns of (g² + ε₁)      C the same over rows
//              u_ij = g_ij / √(R_i·C_j / mean(R))
//   others:    v ← β_t·v + (1 − β_t)·(g² + ε₁)      u = g/√v
//   u ← u / max(1, rms(u)/d)                                      update clipping
//   α = η · [relative_step] min(10⁻², 1/√t) · [scale_parameter] max(ε₂, rms(θ))
//   β₁ > 0:    m ← β₁·m + (1 − β₁)·α·u    and m stands for α·u below
//   θ ← (1 − α·λ)·θ − α·u
//
// The same as fairseq's and Hugging Face's Adafactor, whose flags have these names. There relative_step replaces the
// rate; here it multiplies it, so that step(1) is theirs. By default both flags are off and the rate comes from a
// schedule. Tensors of rank 3 and more count as one matrix, all sizes but the last being its rows.
#pragma once

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::optim {

/// The defaults are the paper's, but for the two flags.
struct AdafactorOptions {
  double decay_exponent = 0.8;   ///< 0 < exponent ≤ 1
  double clip = 1.0;             ///< d > 0, largest root mean square of an update
  double eps1 = 1e-30;           ///< ε₁ > 0, added to squares of gradients
  double eps2 = 1e-3;            ///< ε₂ > 0, least root mean square that scale_parameter counts
  double beta1 = 0;              ///< β₁, 0 ≤ β₁ < 1; with 0 no average of updates is kept
  bool relative_step = false;    ///< a rate that falls with 1/√t by itself
  bool scale_parameter = false;  ///< steps in proportion to the parameter's own size
  double weight_decay = 0;       ///< λ ≥ 0, apart from the gradient
  DecayPredicate decay{};        ///< which parameters λ applies to; without one, those with Leaf::decay
  ParameterGroups groups{};      ///< other rates and λ for some parameters
};

class Adafactor final : public Optimizer {
 public:
  /// Throws Error for an option out of its range.
  explicit Adafactor(ParameterList parameters, const AdafactorOptions& options = {});

 private:
  struct Scale;  // 1/√ of the second moment, as factors or element by element

  void prepare(std::size_t parameter, double rate) override;
  void update(std::size_t, int64_t, int64_t) override {}
  bool is_whole(std::size_t) const override { return true; }
  void update_whole(std::size_t parameter) override;
  std::optional<Shape> average_shape(std::size_t parameter, std::size_t which) const override;

  bool is_matrix(std::size_t parameter) const { return leaf(parameter).shape.rank() >= 2; }
  Scale factored(std::size_t parameter) const;
  Scale elementwise(std::size_t parameter) const;
  void apply(std::size_t parameter, const Scale& scale, double clipped, double step);

  AdafactorOptions options_;
  std::vector<double> rates_;
};

}  // namespace tape::inline TAPE_ABI::optim
