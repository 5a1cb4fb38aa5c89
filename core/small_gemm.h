// Products of small matrices on the calling thread: those of attention, where a BLAS library spends more on its own
// preparations than on the product.
//
// The second factor is packed first: panels of `panel` columns, one after the other, each with its rows in order, the
// last filled up with zeros. It can then be used for several products, whole or from a row on.
#pragma once

#include <tape/core/gemm.h>

namespace tape::inline TAPE_ABI {

#if defined(__AVX512F__)
constexpr int64_t vector_bytes = 64;
#elif defined(__AVX__)
constexpr int64_t vector_bytes = 32;
#else
constexpr int64_t vector_bytes = 16;
#endif

/// Columns of a panel: two vectors of the processor that this is compiled for.
constexpr int64_t panel = 2 * vector_bytes / static_cast<int64_t>(sizeof(real));

/// Numbers in a packed matrix of this size.
constexpr int64_t packed_size(int64_t rows, int64_t columns) {
  return rows * ((columns + panel - 1) / panel * panel);
}

/// A packed matrix of `rows` rows, all of it or a part.
struct Packed {
  const real* data = nullptr;
  int64_t rows = 0;     ///< of this part
  int64_t columns = 0;  ///< of this part
  int64_t stride = 0;   ///< numbers from one panel to the next

  /// Rows begin … begin + count - 1.
  Packed row_range(int64_t begin, int64_t count) const { return {data + begin * panel, count, columns, stride}; }
  /// Columns begin … begin + count - 1; `begin` must be a multiple of `panel`.
  Packed column_range(int64_t begin, int64_t count) const {
    return {data + begin / panel * stride, rows, count, stride};
  }
};

/// Packs b, or bᵀ, into `room`, packed_size() numbers that must live as long as the result.
Packed pack(Transpose transpose, ConstMatrix b, real* room);

/// C = alpha · op(A) · B + beta · C, where op transposes on request. beta is 0 (C is not read) or 1.
void small_gemm(Transpose ta, real alpha, ConstMatrix a, const Packed& b, real beta, MutableMatrix c);

}  // namespace tape::inline TAPE_ABI
