// Linear: y = x·Wᵀ + b.
#pragma once

#include <tape/core/ops/linear.h>
#include <tape/nn/init.h>

namespace tape::inline TAPE_ABI::nn {

struct Linear {
  Parameter weight;  ///< (out, in), decayed
  Parameter bias;    ///< (out), not decayed; absent without bias

  Linear(int64_t in, int64_t out, bool with_bias = true, const Init& init = xavier_uniform())
      : weight({out, in}, init, true), bias(with_bias ? Parameter({out}, zeros_init(), false) : Parameter()) {}

  /// x (…, in) → (…, out).
  Tensor operator()(const Tensor& x, Where where = Where::here()) const { return linear(x, weight, bias, where); }
  /// φ of that.
  Tensor activated(const Pointwise& f, const Tensor& x, Where where = Where::here()) const {
    return linear_activated(f, x, weight, bias, where);
  }
  /// residual + that, or that alone without a residual.
  Tensor added(const Tensor& residual, const Tensor& x, Where where = Where::here()) const {
    return residual ? linear_added(residual, x, weight, bias, where) : (*this)(x, where);
  }
  void visit(auto&& v) const {
    v("weight", weight);
    v("bias", bias);
  }
};

}  // namespace tape::inline TAPE_ABI::nn
