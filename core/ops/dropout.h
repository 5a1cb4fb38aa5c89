// Dropout.
#pragma once

#include <tape/core/random.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// Sets each element to zero with probability p and divides the others by 1 - p. The mask is never stored: element i
/// depends on (random's seed and stream, i) alone, and backward draws it again. Advances `random` by one draw.
/// p = 0 returns x. Throws Error unless 0 ≤ p < 1. Srivastava et al. 2014.
Tensor dropout(const Tensor& x, double p, Random& random, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
