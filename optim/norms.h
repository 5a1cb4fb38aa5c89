// Norms of one tensor's numbers, for optimizers that scale a parameter's step as a whole.
#pragma once

#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI::optim {

/// Σ x², over all threads, added in double in an order that does not depend on their number.
inline double sum_of_squares(const real* x, int64_t n) {
  return parallel_sum(n, elementwise_grain, [=](int64_t begin, int64_t end) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    return sum;
  });
}

}  // namespace tape::inline TAPE_ABI::optim
