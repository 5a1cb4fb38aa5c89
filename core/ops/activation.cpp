#include <tape/core/ops/activation.h>

#include <tape/core/ops/unary.h>
#include <tape/core/vector_math.h>

namespace tape::inline TAPE_ABI {

namespace {

// The tanh form of GELU: y = x/2·(1 + t), t = tanh u, u = c·(x + a·x³).
constexpr real gelu_c = static_cast<real>(0.79788456080286535588);  // √(2/π)
constexpr real gelu_a = static_cast<real>(0.044715);

real gelu_tanh_of(real x) {
  const real t = tanh_(gelu_c * (x + gelu_a * x * x * x));
  return real{0.5} * x * (1 + t);
}

// dy/dx = (1 + t)/2 + x/2·(1 - t²)·du/dx,  du/dx = c·(1 + 3a·x²)
real gelu_tanh_slope(real x) {
  const real t = tanh_(gelu_c * (x + gelu_a * x * x * x));
  return real{0.5} * (1 + t) + real{0.5} * x * (1 - t * t) * gelu_c * (1 + 3 * gelu_a * x * x);
}

}  // namespace

// dy/dx = 1 for x > 0, else 0. NaN passes through.
Tensor relu(const Tensor& x, Where where) {
  return unary<Saves::input>(
      "relu", x, where, [](real v) { return v < 0 ? real{0} : v; }, [](real v) { return v > 0 ? real{1} : real{0}; });
}

// y = x·Φ(x)     dy/dx = Φ(x) + x·φ(x)
Tensor gelu(const Tensor& x, Where where) {
  return unary<Saves::input>(
      "gelu", x, where, [](real v) { return v * normal_(v).cdf; },
      [](real v) {
        const Normal<real> n = normal_(v);
        return n.cdf + v * n.density;
      });
}

Tensor gelu_tanh(const Tensor& x, Where where) {
  return unary<Saves::input>(
      "gelu_tanh", x, where, [](real v) { return gelu_tanh_of(v); }, [](real v) { return gelu_tanh_slope(v); });
}

// y = x·σ(x)     dy/dx = σ·(1 + x·(1 - σ))
Tensor silu(const Tensor& x, Where where) {
  return unary<Saves::input>(
      "silu", x, where, [](real v) { return v * sigmoid_(v); },
      [](real v) {
        const real s = sigmoid_(v);
        return s * (1 + v * (1 - s));
      });
}

// y = σ(x)     dy/dx = y·(1 - y)
Tensor sigmoid(const Tensor& x, Where where) {
  return unary<Saves::output>(
      "sigmoid", x, where, [](real v) { return sigmoid_(v); }, [](real y) { return y * (1 - y); });
}

// y = tanh x     dy/dx = 1 - y²
Tensor tanh(const Tensor& x, Where where) {
  return unary<Saves::output>(
      "tanh", x, where, [](real v) { return tanh_(v); }, [](real y) { return 1 - y * y; });
}

}  // namespace tape::inline TAPE_ABI
