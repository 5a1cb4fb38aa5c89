// Ops on each element by itself, and on a tensor with a row added to each of its rows.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// a + b, same shape.
Tensor add(const Tensor& a, const Tensor& b, Where where = Where::here());
/// a - b, same shape.
Tensor subtract(const Tensor& a, const Tensor& b, Where where = Where::here());
/// a · b, each element, same shape.
Tensor multiply(const Tensor& a, const Tensor& b, Where where = Where::here());
/// a / b, each element, same shape. Division by zero gives infinity or NaN as IEEE arithmetic does.
Tensor divide(const Tensor& a, const Tensor& b, Where where = Where::here());
/// factor · x.
Tensor scale(const Tensor& x, double factor, Where where = Where::here());
/// alpha · x + y, same shape: the residual sum of DeepNorm, with alpha on the skip connection x.
Tensor axpy(double alpha, const Tensor& x, const Tensor& y, Where where = Where::here());
/// x (…, C) + bias (C) on every row.
Tensor add_bias(const Tensor& x, const Tensor& bias, Where where = Where::here());
/// e^x.
Tensor exp(const Tensor& x, Where where = Where::here());
/// Natural logarithm. Zero gives -infinity, a negative number NaN.
Tensor log(const Tensor& x, Where where = Where::here());
/// Square root. Its derivative at 0 is infinite.
Tensor sqrt(const Tensor& x, Where where = Where::here());

/// The right-hand operand of an operator, with the place of the expression for messages.
struct Operand {
  const Tensor& tensor;
  Where where;
  Operand(const Tensor& t, Where w = Where::here()) : tensor(t), where(w) {}  // NOLINT: converts silently on purpose
};
inline Tensor operator+(const Tensor& a, const Operand& b) {
  return add(a, b.tensor, b.where);
}
inline Tensor operator-(const Tensor& a, const Operand& b) {
  return subtract(a, b.tensor, b.where);
}
inline Tensor operator*(const Tensor& a, const Operand& b) {
  return multiply(a, b.tensor, b.where);
}
inline Tensor operator/(const Tensor& a, const Operand& b) {
  return divide(a, b.tensor, b.where);
}

}  // namespace tape::inline TAPE_ABI
