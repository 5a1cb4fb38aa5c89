#include <tape/core/small_gemm.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tape::inline TAPE_ABI {

namespace {

// C = alpha · A · B (+ C) for `height` rows and `wide` panels, of which `columns` columns are there. All sums stay in
// registers: every loop over them is unrolled.
template <int height, int wide, bool adds, class E>
[[gnu::always_inline]] inline void tile(const Left<E>& a, const Panels<E>& b, real alpha, real* c, int64_t ld,
                                        int64_t columns) {
  constexpr std::size_t vectors = 2 * wide;
  std::array<std::array<Vector, vectors>, height> sums;
#pragma GCC unroll 12
  for (std::size_t i = 0; i < height; ++i) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) sums[i][v] = Vector{};
  }
  const auto at = [&b](int64_t p, std::size_t v) {
    return load(b.data + static_cast<int64_t>(v / 2) * b.stride + p * b.row + static_cast<int64_t>(v % 2) * lanes);
  };
  for (int64_t p = 0; p < b.depth; ++p) {
    std::array<decltype(at(p, 0)), vectors> factors;
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) factors[v] = at(p, v);
#pragma GCC unroll 12
    for (std::size_t i = 0; i < height; ++i) {
      const E x = a.at(static_cast<int64_t>(i), p);
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) sums[i][v] = multiply_add(sums[i][v], x, factors[v]);
    }
  }
  if (columns == wide * panel) {
#pragma GCC unroll 12
    for (std::size_t i = 0; i < height; ++i) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) {
        real* const to = c + static_cast<int64_t>(i) * ld + static_cast<int64_t>(v) * lanes;
        store(to, adds ? alpha * sums[i][v] + load(to) : alpha * sums[i][v]);
      }
    }
    return;
  }
  std::array<real, height * wide * panel> part;
#pragma GCC unroll 12
  for (std::size_t i = 0; i < height; ++i) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) store(&part[(i * vectors + v) * lanes], alpha * sums[i][v]);
  }
  for (int64_t i = 0; i < height; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const real sum = part[static_cast<std::size_t>(i * wide * panel + j)];
      c[i * ld + j] = adds ? sum + c[i * ld + j] : sum;
    }
  }
}

// The same for `rows` rows, a multiple of the height.
template <int height, int wide, bool adds, class E>
void strip(const Left<E>& a, const Panels<E>& b, real alpha, real* c, int64_t ld, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; row += height) {
    tile<height, wide, adds>(a.from_row(row), b, alpha, c + row * ld, ld, columns);
  }
}

// Two sums a panel for each row, beside as many factors and a row's factor: they fit the registers. Two panels at once,
// with AVX-512 and its 32 registers, read A half as often and write C in longer pieces.
#ifdef __AVX512F__
constexpr int64_t most_panels = 2;
constexpr int64_t most_sums = 24;
#else
constexpr int64_t most_panels = 1;
constexpr int64_t most_sums = 12;
#endif
constexpr int64_t most_height(int64_t wide) {
  return most_sums / (2 * wide);
}

template <class E>
using StripFunction = void (*)(const Left<E>&, const Panels<E>&, real, real*, int64_t, int64_t, int64_t);
template <int wide, bool adds, class E, std::size_t... i>
constexpr std::array<StripFunction<E>, sizeof...(i)> strips_of(std::index_sequence<i...>) {
  return {strip<static_cast<int>(i) + 1, wide, adds, E>...};
}
template <int wide, bool adds, class E>
constexpr std::array strips = strips_of<wide, adds, E>(std::make_index_sequence<most_height(wide)>());

// Rows that are computed at once, `height` at a time.
struct Strip {
  int64_t height, rows;
};

// The first strip of `rows` rows: all tiles have the same height, or those of the next strip one row less.
Strip first_strip(int64_t rows, int64_t most) {
  const int64_t tiles = (rows + most - 1) / most;
  const int64_t height = (rows + tiles - 1) / tiles;
  const int64_t lower = tiles * height - rows;
  return {height, (tiles - lower) * height};
}

// All rows of `wide` panels, of which c.columns columns are there.
template <int wide, bool adds, class E>
void multiply_rows(real alpha, const Left<E>& a, const Panels<E>& b, MutableMatrix c) {
  for (int64_t row = 0; row < c.rows;) {
    const Strip next = first_strip(c.rows - row, most_height(wide));
    strips<wide, adds, E>[static_cast<std::size_t>(next.height - 1)](a.from_row(row), b, alpha, c.data + row * c.ld,
                                                                     c.ld, next.rows, c.columns);
    row += next.rows;
  }
}

// In equal parts along the summed axis, so that those of the panels fit the first-level cache beside rows of A and C.
template <int wide, class E>
void multiply_columns(real alpha, const Left<E>& a, const Panels<E>& b, bool adds, MutableMatrix c) {
  constexpr int64_t bytes_of_row = wide * panel * static_cast<int64_t>(sizeof(E));
  const int64_t size = part_size(b.depth, (int64_t{32} << 10) / bytes_of_row);
  int64_t first = 0;
  do {
    const Left<E> a_part = a.from_column(first);
    const Panels<E> b_part = b.part(first, std::min(size, b.depth - first));
    if (adds || first > 0) {
      multiply_rows<wide, true>(alpha, a_part, b_part, c);
    } else {
      multiply_rows<wide, false>(alpha, a_part, b_part, c);
    }
    first += size;
  } while (first < b.depth);
}

}  // namespace

template <class E>
void small_gemm(real alpha, const Left<E>& a, const Panels<E>& b, real beta, MutableMatrix c) {
  const auto columns = [&c](int64_t first, int64_t most) {
    return MutableMatrix(c.data + first, c.rows, std::min(most, c.columns - first), c.ld);
  };
  int64_t column = 0;
  if constexpr (most_panels == 2) {
    for (; column + 2 * panel <= c.columns; column += 2 * panel) {
      multiply_columns<2>(alpha, a, b.from_column(column), beta != 0, columns(column, 2 * panel));
    }
  }
  for (; column < c.columns; column += panel) {
    multiply_columns<1>(alpha, a, b.from_column(column), beta != 0, columns(column, panel));
  }
}

template void small_gemm(real, const Left<real>&, const Panels<real>&, real, MutableMatrix);
template void small_gemm(real, const Left<bf16_pair>&, const Panels<bf16_pair>&, real, MutableMatrix);

}  // namespace tape::inline TAPE_ABI
