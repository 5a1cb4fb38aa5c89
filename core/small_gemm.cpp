#include <tape/core/small_gemm.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tape::inline TAPE_ABI {

namespace {

// C = alpha · A · B (+ C) for `height` rows and one panel, of which `columns` are there. All sums stay in registers:
// every loop over them is unrolled.
template <int height, bool adds, class E>
[[gnu::always_inline]] inline void tile(const Left<E>& a, const Panels<E>& b, real alpha, real* c, int64_t ld,
                                        int64_t columns) {
  std::array<Vector, height> left;
  std::array<Vector, height> right;
#pragma GCC unroll 12
  for (std::size_t i = 0; i < height; ++i) left[i] = right[i] = Vector{};
  for (int64_t p = 0; p < b.depth; ++p) {
    const auto b_left = load(b.data + p * panel);
    const auto b_right = load(b.data + p * panel + lanes);
#pragma GCC unroll 12
    for (std::size_t i = 0; i < height; ++i) {
      const E x = a.at(static_cast<int64_t>(i), p);
      left[i] = multiply_add(left[i], x, b_left);
      right[i] = multiply_add(right[i], x, b_right);
    }
  }
  if (columns == panel) {
#pragma GCC unroll 12
    for (std::size_t i = 0; i < height; ++i) {
      real* const row = c + static_cast<int64_t>(i) * ld;
      store(row, adds ? alpha * left[i] + load(row) : alpha * left[i]);
      store(row + lanes, adds ? alpha * right[i] + load(row + lanes) : alpha * right[i]);
    }
    return;
  }
  std::array<real, height * panel> part;
#pragma GCC unroll 12
  for (std::size_t i = 0; i < height; ++i) {
    store(&part[i * panel], alpha * left[i]);
    store(&part[i * panel + lanes], alpha * right[i]);
  }
  for (int64_t i = 0; i < height; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const real sum = part[static_cast<std::size_t>(i * panel + j)];
      c[i * ld + j] = adds ? sum + c[i * ld + j] : sum;
    }
  }
}

// The same for `rows` rows, a multiple of the height.
template <int height, bool adds, class E>
void strip(const Left<E>& a, const Panels<E>& b, real alpha, real* c, int64_t ld, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; row += height) {
    tile<height, adds>(a.from_row(row), b, alpha, c + row * ld, ld, columns);
  }
}

// Two sums for each row beside three factors, or a row's factor read as it is used: they fit the registers.
#ifdef __AVX512F__
constexpr int64_t most_height = 12;
#else
constexpr int64_t most_height = 6;
#endif

template <class E>
using StripFunction = void (*)(const Left<E>&, const Panels<E>&, real, real*, int64_t, int64_t, int64_t);
template <bool adds, class E, std::size_t... i>
constexpr std::array<StripFunction<E>, sizeof...(i)> strips_of(std::index_sequence<i...>) {
  return {strip<static_cast<int>(i) + 1, adds, E>...};
}
template <bool adds, class E>
constexpr std::array strips = strips_of<adds, E>(std::make_index_sequence<most_height>());

// Rows that are computed at once, `height` at a time.
struct Strip {
  int64_t height, rows;
};

// The first strip of `rows` rows: all tiles have the same height, or those of the next strip one row less.
Strip first_strip(int64_t rows) {
  const int64_t tiles = (rows + most_height - 1) / most_height;
  const int64_t height = (rows + tiles - 1) / tiles;
  const int64_t lower = tiles * height - rows;
  return {height, (tiles - lower) * height};
}

}  // namespace

template <class E>
void small_gemm(real alpha, const Left<E>& a, const Panels<E>& b, real beta, MutableMatrix c) {
  const auto& by_height = beta == 0 ? strips<false, E> : strips<true, E>;
  for (int64_t column = 0; column < c.columns; column += panel) {
    const Panels<E> b_panel = b.from_column(column);
    const int64_t columns = std::min(panel, c.columns - column);
    for (int64_t row = 0; row < c.rows;) {
      const Strip next = first_strip(c.rows - row);
      by_height[static_cast<std::size_t>(next.height - 1)](a.from_row(row), b_panel, alpha,
                                                           c.data + row * c.ld + column, c.ld, next.rows, columns);
      row += next.rows;
    }
  }
}

template void small_gemm(real, const Left<real>&, const Panels<real>&, real, MutableMatrix);
template void small_gemm(real, const Left<bf16_pair>&, const Panels<bf16_pair>&, real, MutableMatrix);

}  // namespace tape::inline TAPE_ABI
