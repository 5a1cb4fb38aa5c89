#include <tape/core/small_gemm.h>

#include <algorithm>
#include <array>

namespace tape::inline TAPE_ABI {

namespace {

// The first factor: element (i, p) is data[i·by_row + p·by_column].
struct Left {
  const real* data;
  int64_t by_row, by_column;
};

// C = alpha · A · B (+ C) for `height` rows and one panel, of which `columns` are there. All sums stay in registers:
// every loop over them is unrolled.
template <int height, bool adds>
[[gnu::always_inline]] inline void tile(Left a, const Panels& b, real alpha, real* c, int64_t ld, int64_t columns) {
  std::array<Vector, height> left;
  std::array<Vector, height> right;
#pragma GCC unroll 8
  for (std::size_t i = 0; i < height; ++i) left[i] = right[i] = Vector{};
  for (int64_t p = 0; p < b.rows; ++p) {
    const Vector b_left = load(b.data + p * panel);
    const Vector b_right = load(b.data + p * panel + lanes);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < height; ++i) {
      const real x = a.data[static_cast<int64_t>(i) * a.by_row + p * a.by_column];
      left[i] += x * b_left;
      right[i] += x * b_right;
    }
  }
  if (columns == panel) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < height; ++i) {
      real* const row = c + static_cast<int64_t>(i) * ld;
      store(row, adds ? alpha * left[i] + load(row) : alpha * left[i]);
      store(row + lanes, adds ? alpha * right[i] + load(row + lanes) : alpha * right[i]);
    }
    return;
  }
  std::array<real, height * panel> part;
#pragma GCC unroll 8
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
template <int height, bool adds>
void strip(Left a, const Panels& b, real alpha, real* c, int64_t ld, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; row += height) {
    tile<height, adds>({a.data + row * a.by_row, a.by_row, a.by_column}, b, alpha, c + row * ld, ld, columns);
  }
}

// Twelve sums and three factors fit the sixteen registers that every x86-64 has.
constexpr int64_t most_height = 6;
template <bool adds>
constexpr std::array strips{strip<1, adds>, strip<2, adds>, strip<3, adds>,
                            strip<4, adds>, strip<5, adds>, strip<6, adds>};

// Rows that are computed at once, `height` at a time.
struct Strip {
  int64_t height, rows;
};

// The first strip of `rows` rows: as many of the greatest height as there are, but one or two rows would be left with
// too few sums to keep the processor's adders busy: the last of the greatest height shares with them.
Strip first_strip(int64_t rows) {
  const int64_t rest = rows % most_height;
  if (rows < most_height) return {rows, rows};
  if (rest != 1 && rest != 2) return {most_height, rows - rest};
  if (rows > 2 * most_height) return {most_height, rows - rest - most_height};
  return {4, 4};
}

// One panel: columns first … first + panel - 1 of b.
void pack_panel(ConstMatrix b, int64_t first, real* to) {
  const int64_t width = std::min(panel, b.columns - first);
  for (int64_t r = 0; r < b.rows; ++r, to += panel) {
    const real* const from = b.data + r * b.ld + first;
    if (width == panel) {
      store(to, load(from));
      store(to + lanes, load(from + lanes));
    } else {
      std::copy_n(from, width, to);
      std::fill(to + width, to + panel, real{0});
    }
  }
}

// One panel of bᵀ: rows first … first + panel - 1 of b.
void pack_panel_transposed(ConstMatrix b, int64_t first, real* to) {
  const int64_t width = std::min(panel, b.rows - first);
  for (int64_t r = 0; r < b.columns; ++r, to += panel) {
    const real* const from = b.data + first * b.ld + r;
    if (width == panel) {
      for (int64_t j = 0; j < panel; ++j) to[j] = from[j * b.ld];
    } else {
      for (int64_t j = 0; j < width; ++j) to[j] = from[j * b.ld];
      std::fill(to + width, to + panel, real{0});
    }
  }
}

}  // namespace

Panels pack(Transpose transpose, ConstMatrix b, real* room) {
  const bool turned = transpose == Transpose::yes;
  const int64_t rows = turned ? b.columns : b.rows;
  const int64_t columns = turned ? b.rows : b.columns;
  for (int64_t first = 0; first < columns; first += panel) {
    if (turned) {
      pack_panel_transposed(b, first, room + first * rows);
    } else {
      pack_panel(b, first, room + first * rows);
    }
  }
  return {room, rows, rows * panel};
}

void small_gemm(Transpose ta, real alpha, ConstMatrix a, const Panels& b, real beta, MutableMatrix c) {
  const bool turned = ta == Transpose::yes;
  const Left left{a.data, turned ? 1 : a.ld, turned ? a.ld : 1};
  const auto& by_height = beta == 0 ? strips<false> : strips<true>;
  for (int64_t column = 0; column < c.columns; column += panel) {
    const Panels b_panel{b.data + column / panel * b.stride, b.rows, b.stride};
    const int64_t columns = std::min(panel, c.columns - column);
    for (int64_t row = 0; row < c.rows;) {
      const Strip next = first_strip(c.rows - row);
      by_height[static_cast<std::size_t>(next.height - 1)]({left.data + row * left.by_row, left.by_row, left.by_column},
                                                           b_panel, alpha, c.data + row * c.ld + column, c.ld,
                                                           next.rows, columns);
      row += next.rows;
    }
  }
}

}  // namespace tape::inline TAPE_ABI
