#include <tape/core/ops/row_statistics.h>

#include <algorithm>
#include <array>
#include <cmath>

#include <tape/core/ops/row_walk.h>
#include <tape/core/ops/rows.h>

namespace tape::inline TAPE_ABI {

namespace {

// The mean that rows are taken around, what its rounding lost, and the mean square around the true one.
struct Moments {
  real mean = 0;
  real lost = 0;
  double variance = 0;
};

// Σ (x - mean), of centered rows alone, and Σ (x - mean)².
template <class T>
struct Deviations {
  T sum = 0;
  T squares = 0;
};
template <bool centered>
[[gnu::always_inline]] inline Deviations<real> deviations(const real* x, int64_t n, real mean) {
  constexpr std::size_t count = centered ? 2 : 1;
  const auto sums = row_sums<count>(n, [=](auto at) {
    const auto d = at(x) - mean;
    if constexpr (centered) {
      return std::array{d * d, d};
    } else {
      return std::array{d * d};
    }
  });
  return {centered ? sums.back() : 0, sums.front()};
}
template <bool centered>
Deviations<double> careful_deviations(const real* x, int64_t n, double mean) {
  double sum = 0;
  double squares = 0;
#pragma omp simd reduction(+ : sum, squares)
  for (int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(x[i]) - mean;
    if constexpr (centered) sum += d;
    squares += d * d;
  }
  return {sum, squares};
}

// In double: for rows whose squares overflow or vanish, and rows of (nearly) equal numbers, where the rounding of the
// mean outweighs the spread.
template <bool centered>
[[gnu::noinline]] Moments careful_moments(const real* x, int64_t n) {
  const auto count = static_cast<double>(n);
  double mean = 0;
  if constexpr (centered) {
    for (int again = 0; again < 2; ++again) mean += careful_deviations<true>(x, n, mean).sum / count;
  }
  Moments m;
  m.mean = static_cast<real>(mean);
  m.lost = static_cast<real>(mean - static_cast<double>(m.mean));
  m.variance = careful_deviations<centered>(x, n, mean).squares / count;
  return m;
}

// Around the mean, from deviations around a number near it. False where (Σd)²/n, what of their squares' sum is not
// spread, is above `share` of it.
bool centered_moments(const Deviations<real>& d, real near, int64_t n, double share, Moments& m) {
  const double per_number = 1 / static_cast<double>(n);
  const auto sum = static_cast<double>(d.sum);
  const auto squares = static_cast<double>(d.squares);
  const double offset = sum * per_number;
  if (!is_safe_square(d.squares) || sum * offset > share * squares) return false;
  const double mean = static_cast<double>(near) + offset;
  m.mean = static_cast<real>(mean);
  m.lost = static_cast<real>(mean - static_cast<double>(m.mean));
  m.variance = (squares - sum * offset) * per_number;
  return true;
}

// The first number serves as what is near the mean: of most rows one pass is enough. A row whose first number stands
// out by more than three standard deviations gets another one around its mean.
template <bool centered>
Moments moments(const real* x, int64_t n) {
  Moments m;
  if constexpr (centered) {
    if (centered_moments(deviations<true>(x, n, x[0]), x[0], n, 0.9, m)) return m;
    const real mean = row_sum(x, n) / static_cast<real>(n);
    if (centered_moments(deviations<true>(x, n, mean), mean, n, 1.0 / 128, m)) return m;
  } else {
    const real squares = deviations<false>(x, n, 0).squares;
    m.variance = static_cast<double>(squares / static_cast<real>(n));
    if (is_safe_square(squares)) return m;
  }
  return careful_moments<centered>(x, n);
}

}  // namespace

template <bool centered>
RowStatistics row_statistics(const real* x, int64_t n, double eps, EpsPlace place) {
  const Moments m = moments<centered>(x, n);
  const double variance = std::max(m.variance, 0.0);
  RowStatistics s;
  s.mean = m.mean;
  if (place == EpsPlace::inside) {
    s.r = static_cast<real>(inverse_or_zero(std::sqrt(variance + eps)));
  } else {
    const double deviation = std::sqrt(variance);
    s.r = static_cast<real>(inverse_or_zero(deviation + eps));
    // Capped where the deviation is so small that the term with this factor vanishes.
    s.slope = static_cast<real>(std::min((deviation + eps) * inverse_or_zero(deviation), 1e30));
  }
  s.shift = -m.lost * s.r;
  return s;
}

template RowStatistics row_statistics<true>(const real*, int64_t, double, EpsPlace);
template RowStatistics row_statistics<false>(const real*, int64_t, double, EpsPlace);

}  // namespace tape::inline TAPE_ABI
