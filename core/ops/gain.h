// Learned gains: a row, or one number, times every row of a tensor.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// x (…, C) ⊙ w on every row, w (C), or w (1) for one factor of all columns: the gain of a residual path, as in Admin,
/// LayerScale and ReZero. Saves x and w.
Tensor multiply_rows(const Tensor& x, const Tensor& weight, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
