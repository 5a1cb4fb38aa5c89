// Factors of products, laid out for small_gemm.
//
// E is what a product multiplies at once: a real, or a bf16_pair of two neighbours along the summed axis, which is half
// as long then. Where the axis is odd, the last pair ends in a zero.
#pragma once

#include <cstring>
#include <type_traits>

#include <tape/core/bf16_pair.h>
#include <tape/core/gemm.h>
#include <tape/core/simd.h>

namespace tape::inline TAPE_ABI {

/// Columns of a panel: two vectors.
constexpr int64_t panel = 2 * lanes;

/// Numbers in an E.
template <class E>
constexpr int64_t numbers_in = std::is_same_v<E, bf16_pair> ? 2 : 1;

/// E's along a summed axis of this size.
template <class E>
constexpr int64_t depth(int64_t summed) {
  return (summed + numbers_in<E> - 1) / numbers_in<E>;
}

/// Panels of a matrix with so many columns.
constexpr int64_t panels_across(int64_t columns) {
  return (columns + panel - 1) / panel;
}

/// E's in a packed matrix of `summed` rows.
template <class E>
constexpr int64_t packed_size(int64_t summed, int64_t columns) {
  return depth<E>(summed) * panels_across(columns) * panel;
}

/// The size of equal parts of n, each of at most `most`; at least 1.
constexpr int64_t part_size(int64_t n, int64_t most) {
  const int64_t parts = n > most ? (n + most - 1) / most : 1;
  return n > 0 ? (n + parts - 1) / parts : 1;
}

/// The second factor, all its rows or a part: panels of `panel` columns, each with its rows (of E's) in order. Packed
/// panels follow each other, the last filled up with zeros. It can be used for several products.
template <class E>
struct Panels {
  const E* data = nullptr;
  int64_t depth = 0;    ///< E's along the summed axis, of this part
  int64_t stride = 0;   ///< E's from one panel to the next
  int64_t row = panel;  ///< E's from one row of a panel to the next

  /// E's begin … begin + count - 1 of each column.
  Panels part(int64_t begin, int64_t count) const { return {data + begin * row, count, stride, row}; }
  /// Rows begin … begin + count - 1 of the matrix; begin must be even.
  Panels row_range(int64_t begin, int64_t count) const { return part(begin / numbers_in<E>, tape::depth<E>(count)); }
  /// From column `begin` on, a multiple of `panel`.
  Panels from_column(int64_t begin) const { return {data + begin / panel * stride, depth, stride, row}; }
};

/// The panels that b has as it is; its columns must be a multiple of `panel`.
inline Panels<real> panels_of(ConstMatrix b) {
  return {b.data, b.rows, panel, b.ld};
}

/// Packs b, or bᵀ, into `room`, packed_size() of it, which must live as long as the result.
template <class E>
Panels<E> pack(Transpose transpose, ConstMatrix b, E* room);

/// Panel number i of that alone: columns i·panel … i·panel + panel - 1 of b, or bᵀ.
template <class E>
void pack_panel(Transpose transpose, ConstMatrix b, int64_t i, E* room);

/// The first factor: element (i, p) is data[i·by_row + p·by_column], p counting E's along the summed axis.
template <class E>
struct Left {
  const E* data = nullptr;
  int64_t by_row = 0, by_column = 0;

  E at(int64_t i, int64_t p) const {
    E x;
    std::memcpy(&x, data + i * by_row + p * by_column, sizeof x);  // pairs may have been written as single numbers
    return x;
  }
  /// From row `begin` on.
  Left from_row(int64_t begin) const { return {data + begin * by_row, by_row, by_column}; }
  /// From E number `begin` of each row on.
  Left from_column(int64_t begin) const { return {data + begin * by_column, by_row, by_column}; }
};

/// E's of room that `left` needs for a first factor of this size: reals stay where they are.
template <class E>
constexpr int64_t left_size(int64_t rows, int64_t summed) {
  return numbers_in<E> == 1 ? 0 : rows * depth<E>(summed);
}

/// Rows of rounded numbers as a first factor; an even count of columns.
inline Left<bf16_pair> left(const bf16* data, int64_t columns) {
  return {reinterpret_cast<const bf16_pair*>(data), columns / 2, 1};
}

/// a, or aᵀ, as a first factor. `room`, left_size() of it, must live as long as the result.
template <class E>
Left<E> left(Transpose transpose, ConstMatrix a, E* room);
template <>
Left<real> left(Transpose transpose, ConstMatrix a, real* room);
template <>
Left<bf16_pair> left(Transpose transpose, ConstMatrix a, bf16_pair* room);

/// Writes bᵀ to `to`, (b.columns, b.rows), on the calling thread.
void transpose(ConstMatrix b, MutableMatrix to);

}  // namespace tape::inline TAPE_ABI
