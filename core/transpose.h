// Transposing matrices on the calling thread, by squares that fit the vector registers.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include <tape/core/gemm.h>
#include <tape/core/simd.h>

namespace tape::inline TAPE_ABI {

/// Numbers whose row and column differ in the bit `step` change places: those of two rows that differ in it.
template <std::size_t step, class T, std::size_t... i>
[[gnu::always_inline]] inline void exchange(VectorOf<T>& a, VectorOf<T>& b, std::index_sequence<i...>) {
  constexpr std::size_t width = sizeof...(i);
  const VectorOf<T> low = __builtin_shufflevector(a, b, (i & step ? width + i - step : i)...);
  b = __builtin_shufflevector(a, b, (i & step ? width + i : i + step)...);
  a = low;
}

/// A square in registers, transposed bit by bit.
template <class T, std::size_t step = 1, std::size_t width>
[[gnu::always_inline]] inline void transpose_square(std::array<VectorOf<T>, width>& rows) {
  if constexpr (step < width) {
#pragma GCC unroll 16
    for (std::size_t j = 0; j < width; ++j) {
      if ((j & step) == 0) exchange<step, T>(rows[j], rows[j + step], std::make_index_sequence<width>());
    }
    transpose_square<T, 2 * step>(rows);
  }
}

/// Writes a square of lanes_of<T> rows transposed; the leading dimensions are those of its surroundings.
template <class T>
[[gnu::always_inline]] inline void turn_square(const T* from, int64_t ld, T* to, int64_t to_ld) {
  constexpr auto width = static_cast<std::size_t>(lanes_of<T>);
  std::array<VectorOf<T>, width> rows;
#pragma GCC unroll 16
  for (std::size_t j = 0; j < width; ++j) rows[j] = load(from + static_cast<int64_t>(j) * ld);
  transpose_square<T>(rows);
#pragma GCC unroll 16
  for (std::size_t j = 0; j < width; ++j) store<T>(to + static_cast<int64_t>(j) * to_ld, rows[j]);
}

/// Writes bᵀ to `to`, (b.columns, b.rows).
template <class T>
void transpose(Matrix<const T> b, Matrix<T> to) {
  constexpr int64_t width = lanes_of<T>;
  const int64_t rows = b.rows / width * width;
  const int64_t columns = b.columns / width * width;
  for (int64_t row = 0; row < rows; row += width) {
    for (int64_t column = 0; column < columns; column += width) {
      turn_square(b.data + row * b.ld + column, b.ld, to.data + column * to.ld + row, to.ld);
    }
  }
  for (int64_t i = 0; i < b.rows; ++i) {
    for (int64_t j = i < rows ? columns : 0; j < b.columns; ++j) to.data[j * to.ld + i] = b.data[i * b.ld + j];
  }
}

}  // namespace tape::inline TAPE_ABI
