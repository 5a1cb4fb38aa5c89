// MomentOptimizer: what Adam and its kin share: running averages of the gradients and of their squares, and one fused
// pass over values, gradients and both averages. The kin differ in a few numbers that each element of a parameter has
// in common: adam.cpp, radam.cpp, nadam.cpp.
#pragma once

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::optim {

///   g ← g + l2·θ
///   m ← β₁·m + (1 − β₁)·g
///   v ← β₂·v + (1 − β₂)·g²
///   θ ← keep·θ − (gradient·g + average·m)/(root·√v + eps)
class MomentOptimizer : public Optimizer {
 protected:
  struct Coefficients {
    double l2 = 0;        // λ in the gradient
    double keep = 1;      // 1 − weight decay apart from the gradient
    double gradient = 0;  // share of g in the step, as with Nesterov's momentum
    double average = 0;   // share of m in the step
    double root = 1;      // 0 for a step that v does not scale
    double eps = 1;
  };
  struct Betas {
    double beta1, beta2, eps;
  };

  /// Averages m and v, and then those of `more`. Throws Error for numbers out of range.
  MomentOptimizer(std::string name, ParameterList parameters, const Betas& betas, Common common, Memory more = {});

  /// The coefficients of a parameter for the current step, in which its group has this rate.
  virtual Coefficients coefficients(std::size_t parameter, double rate) = 0;
  void prepare(std::size_t parameter, double rate) override;
  void update(std::size_t parameter, int64_t begin, int64_t end) override;

  /// 1 − βᵗ: what a running average that began at zero has to be divided by after t updates.
  double correction(double beta, std::size_t parameter) const;
  const Betas& betas() const { return betas_; }

 private:
  struct Rounded {
    real l2, keep, gradient, average, root, eps;
  };

  Betas betas_;
  std::vector<Rounded> coefficients_;
};

}  // namespace tape::inline TAPE_ABI::optim
