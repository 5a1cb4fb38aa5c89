// Sums and means. Long sums are taken in double, in blocks of fixed size.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// Sum of all elements, rank 0.
Tensor sum(const Tensor& x, Where where = Where::here());
/// Mean of all elements, rank 0. Throws Error for a tensor without elements.
Tensor mean(const Tensor& x, Where where = Where::here());
/// Sum over the last axis: (…, C) → (…).
Tensor sum_last(const Tensor& x, Where where = Where::here());
/// Mean over the last axis: (…, C) → (…).
Tensor mean_last(const Tensor& x, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
