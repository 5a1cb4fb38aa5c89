// Products of small matrices on the calling thread: those of attention, where a BLAS library spends more on its own
// preparations than on the product.
//
// The second factor is packed first: panels of `panel` columns, one after the other, each with its rows in order, the
// last filled up with zeros. It can then be used for several products, whole or from a row on.
#pragma once

#include <tape/core/gemm.h>
#include <tape/core/simd.h>

namespace tape::inline TAPE_ABI {

/// Columns of a panel: two vectors.
constexpr int64_t panel = 2 * lanes;

/// Numbers in a packed matrix of this size.
constexpr int64_t packed_size(int64_t rows, int64_t columns) {
  return rows * ((columns + panel - 1) / panel * panel);
}

/// A packed matrix of `rows` rows, all of it or a part.
struct Panels {
  const real* data = nullptr;
  int64_t rows = 0;    ///< of this part
  int64_t stride = 0;  ///< numbers from one panel to the next

  /// Rows begin … begin + count - 1.
  Panels row_range(int64_t begin, int64_t count) const { return {data + begin * panel, count, stride}; }
};

/// Packs b, or bᵀ, into `room`, packed_size() numbers that must live as long as the result.
Panels pack(Transpose transpose, ConstMatrix b, real* room);

/// Writes bᵀ to `to`, (b.columns, b.rows), on the calling thread.
void transpose(ConstMatrix b, MutableMatrix to);

/// C = alpha · op(A) · B + beta · C, where op transposes on request. beta is 0 (C is not read) or 1.
void small_gemm(Transpose ta, real alpha, ConstMatrix a, const Panels& b, real beta, MutableMatrix c);

}  // namespace tape::inline TAPE_ABI
