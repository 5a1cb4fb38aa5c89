// Activation functions. In f32 their exponentials are polynomials (vector_math.h), accurate to a few units in the last
// place; the accuracy is tested against std:: in double.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// A function φ of single numbers, which lives as long as the program: an op, and what other ops need that apply φ to
/// their own results (linear_activated).
struct Pointwise {
  const char* name;
  void (*value)(const real* x, real* y, int64_t n);                      ///< y_i = φ(x_i), 0 ≤ i < n; y may be x
  void (*gradient)(const real* dy, const real* x, real* dx, int64_t n);  ///< dx_i = dy_i·φ'(x_i); dx may be dy
  void (*with_slope)(real* x, real* y, int64_t n);  ///< y_i = φ(x_i), and x_i becomes φ'(x_i); not y

  /// φ of every element. Saves x.
  Tensor operator()(const Tensor& x, Where where = Where::here()) const;
  /// The same on no tape.
  Tensor map(const Tensor& x) const;
};
/// φ of the activations below.
namespace pointwise {
extern const Pointwise relu, squared_relu, gelu, gelu_tanh, silu;
}

/// max(x, 0); derivative 0 at 0.
Tensor relu(const Tensor& x, Where where = Where::here());
/// max(x, 0)². So et al. 2021 (Primer), arXiv 2109.08668.
Tensor squared_relu(const Tensor& x, Where where = Where::here());
/// Gaussian error linear unit x·Φ(x) = x/2·(1 + erf(x/√2)). Hendrycks & Gimpel 2016, arXiv 1606.08415.
Tensor gelu(const Tensor& x, Where where = Where::here());
/// Its tanh form x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))), as in GPT-2.
Tensor gelu_tanh(const Tensor& x, Where where = Where::here());
/// x·σ(x), also called swish.
Tensor silu(const Tensor& x, Where where = Where::here());
/// σ(x) = 1/(1 + e^-x).
Tensor sigmoid(const Tensor& x, Where where = Where::here());
/// Hyperbolic tangent.
Tensor tanh(const Tensor& x, Where where = Where::here());

/// Gated linear units φ(gate) ⊙ up, both of the same shape, in one pass: φ is silu, gelu (the exact form) or relu.
/// Shazeer 2020, arXiv 2002.05202, equation 5. They save gate and up, and compute φ again in backward.
Tensor swiglu(const Tensor& gate, const Tensor& up, Where where = Where::here());
Tensor geglu(const Tensor& gate, const Tensor& up, Where where = Where::here());
Tensor reglu(const Tensor& gate, const Tensor& up, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
