#include "support/product_error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tape::inline TAPE_ABI::test {

namespace {

double at(Transpose t, ConstMatrix m, int64_t i, int64_t j) {
  return static_cast<double>(t == Transpose::yes ? m.data[j * m.ld + i] : m.data[i * m.ld + j]);
}

}  // namespace

double product_error(const ExpectedProduct& e, ConstMatrix c) {
  const int64_t k = e.ta == Transpose::yes ? e.a.rows : e.a.columns;
  double worst = 0;
  for (int64_t i = 0; i < c.rows; ++i) {
    for (int64_t j = 0; j < c.columns; ++j) {
      double sum = 0;
      double size = 0;
      for (int64_t l = 0; l < k; ++l) {
        const double term = at(e.ta, e.a, i, l) * at(e.tb, e.b, l, j);
        sum += term;
        size += std::abs(term);
      }
      const double kept = e.beta == 0 ? 0 : e.beta * at(Transpose::no, e.before, i, j);
      const double bias = e.bias ? static_cast<double>(e.bias[j]) : 0;
      const double bound = static_cast<double>(k + 3) * static_cast<double>(std::numeric_limits<real>::epsilon()) *
                           (std::abs(e.alpha) * size + std::abs(kept) + std::abs(bias));
      const double error = std::abs(at(Transpose::no, c, i, j) - (e.alpha * sum + kept + bias));
      worst = std::max(worst, error == 0 ? 0 : std::isnan(error) ? 1e9 : error / bound);
    }
  }
  return worst;
}

}  // namespace tape::inline TAPE_ABI::test
