// Loops over one row that several ops share: maximum, sum, dot product, exponentials.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <tape/core/vector_math.h>

namespace tape::inline TAPE_ABI {

/// Rows per block of a loop over rows of n numbers: about as much work as a block of an elementwise loop.
inline int64_t row_grain(int64_t n) {
  return std::max<int64_t>(1, 8192 / std::max<int64_t>(n, 1));
}

/// -infinity when there is no number above it.
inline real row_max(const real* x, int64_t n) {
  real top = -std::numeric_limits<real>::infinity();
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < n; ++i) top = x[i] > top ? x[i] : top;
  if (top != std::numeric_limits<real>::lowest()) return top;
  // clang starts the reduction from the lowest finite number instead of -infinity: look again whether it is in the row.
  return std::find(x, x + n, top) != x + n ? top : -std::numeric_limits<real>::infinity();
}

inline real row_sum(const real* x, int64_t n) {
  real sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  return sum;
}

inline real row_dot(const real* x, const real* y, int64_t n) {
  real sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

/// False for a sum of squares that has overflowed, or is so small that some of its terms have vanished, and for NaN.
inline bool is_safe_square(real sum) {
  return sum > std::numeric_limits<real>::min() * static_cast<real>(1e10) && sum <= std::numeric_limits<real>::max();
}

/// √Σ x², also where the squares overflow or vanish.
inline double row_length(const real* x, int64_t n) {
  const real squares = row_dot(x, x, n);
  if (is_safe_square(squares)) return std::sqrt(static_cast<double>(squares));
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return std::sqrt(sum);
}

/// 1/x, but 0 for 0; NaN for NaN.
inline double inverse_or_zero(double x) {
  return x == 0 ? 0 : 1 / x;
}

/// y_i = e^(x_i - shift), returns Σ y. x and y may be the same.
inline real exp_row(const real* x, int64_t n, real shift, real* y) {
  real sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    const real e = exp_(x[i] - shift);
    y[i] = e;
    sum += e;
  }
  return sum;
}

/// Σ e^(x_i - shift).
inline real sum_exp_row(const real* x, int64_t n, real shift) {
  real sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += exp_(x[i] - shift);
  return sum;
}

/// y_i += x_i.
inline void add_row(real* y, const real* x, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

inline void scale_row(real* x, int64_t n, real factor) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

}  // namespace tape::inline TAPE_ABI
