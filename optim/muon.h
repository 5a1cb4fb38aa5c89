// Muon, momentum orthogonalized by Newton-Schulz (Jordan et al. 2024, kellerjordan.github.io/posts/muon): all
// directions of a hidden matrix are moved alike, also those in which its gradient is weak. Everything else, embeddings,
// the head, norms and biases, is AdamW's.
//
//   m ← μ·m + (1 − μ)·g          momentum; with Nesterov  u = μ·m + (1 − μ)·g,  without  u = m
//   X ← u/(‖u‖ + 10⁻⁷)           Frobenius norm: no singular value is above 1
//   five times:  X ← a·X + (b·XXᵀ + c·(XXᵀ)²)·X        (a, b, c) = (3.4445, −4.7750, 2.0315)
//   θ ← (1 − η·λ)·θ − η·s·X
//
// Each pass maps every singular value σ of X to aσ + bσ³ + cσ⁵ and leaves the singular vectors as they are. The
// coefficients make small ones grow fastest; they end between 0.7 and 1.2 rather than at 1, which is as good.
// s is √max(1, rows/columns), or 0.2·√max(rows, columns) (Liu et al. 2025, arXiv 2502.16982, equation 4), which makes
// steps as large as AdamW's usual ones.
#pragma once

#include <tape/optim/moments.h>

namespace tape::inline TAPE_ABI::optim {

/// s above.
enum class MuonScale { Spectral, LikeAdam };

/// How many hidden matrices of equal shape a parameter holds, one below the other; 0 leaves it to AdamW.
using HiddenMatrices = std::function<int64_t(const Leaf&)>;

/// 0 unless the rank is 2 or 3 and no part of the dotted name is "head", "lm_head" or contains "embedding"; for rank 3
/// the first size, as of stacked experts; for rank 2 the groups of rows that Init::row_gains tells apart, as 3 for
/// packed queries, keys and values, or 1. Parameters have to be named (nn::name_parameters; models do it themselves).
int64_t hidden_matrices(const Leaf& leaf);

struct MuonOptions {
  double momentum = 0.95;  ///< μ, 0 ≤ μ < 1
  bool nesterov = true;
  int iterations = 5;  ///< of Newton-Schulz, 1 … 20
  MuonScale scale = MuonScale::Spectral;
  double weight_decay = 0;   ///< λ ≥ 0, of all parameters
  double rest_rate = 0.015;  ///< AdamW's rate over η: 3e-4 beside the usual 0.02; 1 suits MuonScale::LikeAdam
  double beta1 = 0.9;        ///< AdamW's
  double beta2 = 0.95;
  double eps = 1e-8;
  HiddenMatrices hidden = hidden_matrices;
  DecayPredicate decay{};    ///< which parameters λ applies to; without one, those with Leaf::decay
  ParameterGroups groups{};  ///< other rates and λ for some parameters
};

class Muon final : public MomentOptimizer {
 public:
  /// Throws Error for an option out of its range, and when `hidden` does not divide the rows of a parameter.
  explicit Muon(ParameterList parameters, const MuonOptions& options = {});

 private:
  struct Step {
    real keep, size;  // 1 − η·λ, η·s
  };

  Coefficients coefficients(std::size_t parameter, double rate) override;
  void prepare(std::size_t parameter, double rate) override;
  bool is_whole(std::size_t parameter) const override { return matrices_[parameter] > 0; }
  void update_whole(std::size_t parameter) override;
  std::optional<Shape> average_shape(std::size_t parameter, std::size_t which) const override;

  MuonOptions options_;
  std::vector<int64_t> matrices_;  // how many each parameter holds
  std::vector<Step> steps_;
};

}  // namespace tape::inline TAPE_ABI::optim
