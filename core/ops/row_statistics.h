// What LayerNorm and RMSNorm take from a row: its mean and its spread around it, as accurate for rows of huge, tiny and
// nearly equal numbers as for others.
#pragma once

#include <cstdint>

#include <tape/core/ops/norm.h>
#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

/// What a row keeps for backward: x̂ = (x - mean)·r + shift. The mean is rounded to `real`; shift = -r·(what the
/// rounding lost), so that rows whose mean is large beside their spread stay accurate. slope = d(1/r²)/d(s²) of the
/// statistic s: 1, and (s + ε)/s with ε outside of the root.
struct RowStatistics {
  real mean = 0;
  real r = 0;
  real shift = 0;
  real slope = 1;

  /// x̂ of a number, or of a vector of them.
  template <class T>
  T normalized(T x) const {
    return (x - mean) * r + shift;
  }
};

/// Of n numbers: around their mean when `centered`, else around 0. r = 1/√(s² + ε), or 1/(s + ε); 0 where that is 1/0.
template <bool centered>
RowStatistics row_statistics(const real* x, int64_t n, double eps, EpsPlace place);

}  // namespace tape::inline TAPE_ABI
