// Schedule-Free AdamW (Defazio et al. 2024, "The Road Less Scheduled", arXiv 2405.15682, algorithm 1): an average of
// all points takes the place of a falling rate, so that the length of the run need not be known.
//
// Three points: gradients are taken at y, which the parameters hold; steps are made from z; x, their average, is the
// result.
//
//   v ← β₂·v + (1 − β₂)·g²                              g the gradient at y
//   z ← z − η·( g/(√(v/(1 − β₂ᵗ)) + ε) + λ·y )
//   x ← (1 − c)·x + c·z         c = w/Σw,  w = η_max²     η_max the highest rate so far, the sum over updates so far
//   y ← (1 − β)·z + β·x
//
// The weights make the points of a warm-up count less. Give it a schedule that rises and then stays, and a rate 1 to 10
// times as large as AdamW's. The same as the authors' AdamWScheduleFree from version 1.3 on; the paper has the bias
// correction in η instead. Theirs keeps x only as what y and z imply; kept by itself, it needs no division by β.
//
// To evaluate and to save, look at x:
//
//   { const auto scope = optimizer.evaluation(); loss = validate(model); nn::save(path, model); }
//
// A checkpoint needs no such scope: y is among the values, and z and x are in the optimizer's state.
#pragma once

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::optim {

/// The defaults are the authors'.
struct ScheduleFreeOptions {
  double beta = 0.9;         ///< β, 0 ≤ β < 1: 0 takes gradients at z, as averaging after the fact does
  double beta2 = 0.999;      ///< β₂, 0 ≤ β₂ < 1
  double eps = 1e-8;         ///< ε > 0, outside the root
  double weight_decay = 0;   ///< λ ≥ 0
  DecayPredicate decay{};    ///< which parameters λ applies to; without one, those with Leaf::decay
  ParameterGroups groups{};  ///< other rates and λ for some parameters
};

class ScheduleFree final : public Optimizer {
 public:
  /// Throws Error for an option out of its range.
  explicit ScheduleFree(ParameterList parameters, const ScheduleFreeOptions& options = {});

 private:
  struct Coefficients {
    real rate, decay, root, share;  // η, λ, 1/√(1 − β₂ᵗ), c
  };

  void prepare(std::size_t parameter, double rate) override;
  void update(std::size_t parameter, int64_t begin, int64_t end) override;
  Storage evaluation_value(std::size_t parameter) const override;

  ScheduleFreeOptions options_;
  std::vector<Coefficients> coefficients_;
};

}  // namespace tape::inline TAPE_ABI::optim
