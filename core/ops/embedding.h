// Rows of a table chosen by number.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// Row ids[i] of `table` for each i: table (V, C), ids (…) → (…, C). Throws Error that names the first id outside
/// 0…V-1.
Tensor embedding(const Tensor& table, const Ids& ids, Where where = Where::here());

/// Rows of x chosen by number: x (R, C) with any leading sizes taken together as R, rows (N) → (N, C). A row may be
/// chosen several times. The same computation as embedding, on an activation.
Tensor gather_rows(const Tensor& x, const Ids& rows, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
