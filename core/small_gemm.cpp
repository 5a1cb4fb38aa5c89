#include <tape/core/small_gemm.h>

#include <algorithm>
#include <array>
#include <utility>

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
#pragma GCC unroll 12
  for (std::size_t i = 0; i < height; ++i) left[i] = right[i] = Vector{};
  for (int64_t p = 0; p < b.rows; ++p) {
    const Vector b_left = load(b.data + p * panel);
    const Vector b_right = load(b.data + p * panel + lanes);
#pragma GCC unroll 12
    for (std::size_t i = 0; i < height; ++i) {
      const real x = a.data[static_cast<int64_t>(i) * a.by_row + p * a.by_column];
      left[i] += x * b_left;
      right[i] += x * b_right;
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
template <int height, bool adds>
void strip(Left a, const Panels& b, real alpha, real* c, int64_t ld, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; row += height) {
    tile<height, adds>({a.data + row * a.by_row, a.by_row, a.by_column}, b, alpha, c + row * ld, ld, columns);
  }
}

// Two sums for each row beside three factors, or a row's factor read as it is used: they fit the registers.
#ifdef __AVX512F__
constexpr int64_t most_height = 12;
#else
constexpr int64_t most_height = 6;
#endif

using StripFunction = void (*)(Left, const Panels&, real, real*, int64_t, int64_t, int64_t);
template <bool adds, std::size_t... i>
constexpr std::array<StripFunction, sizeof...(i)> strips_of(std::index_sequence<i...>) {
  return {strip<static_cast<int>(i) + 1, adds>...};
}
template <bool adds>
constexpr std::array strips = strips_of<adds>(std::make_index_sequence<most_height>());

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

// Numbers whose row and column differ in the bit `step` change places: those of two rows that differ in it.
template <std::size_t step, std::size_t... i>
void exchange(Vector& a, Vector& b, std::index_sequence<i...>) {
  constexpr auto width = static_cast<std::size_t>(lanes);
  const Vector low = __builtin_shufflevector(a, b, (i & step ? width + i - step : i)...);
  b = __builtin_shufflevector(a, b, (i & step ? width + i : i + step)...);
  a = low;
}

// A square of `lanes` rows, transposed bit by bit.
template <std::size_t step = 1>
[[gnu::always_inline]] inline void transpose_square(std::array<Vector, lanes>& rows) {
  if constexpr (step < static_cast<std::size_t>(lanes)) {
#pragma GCC unroll 16
    for (std::size_t j = 0; j < rows.size(); ++j) {
      if ((j & step) == 0) exchange<step>(rows[j], rows[j + step], std::make_index_sequence<lanes>());
    }
    transpose_square<2 * step>(rows);
  }
}

// Writes a square of `lanes` rows transposed; the leading dimensions are those of its surroundings.
[[gnu::always_inline]] inline void turn_square(const real* from, int64_t ld, real* to, int64_t to_ld) {
  std::array<Vector, lanes> rows;
#pragma GCC unroll 16
  for (std::size_t j = 0; j < rows.size(); ++j) rows[j] = load(from + static_cast<int64_t>(j) * ld);
  transpose_square(rows);
#pragma GCC unroll 16
  for (std::size_t j = 0; j < rows.size(); ++j) store(to + static_cast<int64_t>(j) * to_ld, rows[j]);
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
  const real* const from = b.data + first * b.ld;
  const int64_t in_squares = width == panel ? b.columns / lanes * lanes : 0;
  for (int64_t r = 0; r < in_squares; r += lanes) {
    for (int64_t half = 0; half < panel; half += lanes) {
      turn_square(from + half * b.ld + r, b.ld, to + r * panel + half, panel);
    }
  }
  for (int64_t r = in_squares; r < b.columns; ++r) {
    real* const row = to + r * panel;
    for (int64_t j = 0; j < width; ++j) row[j] = from[j * b.ld + r];
    std::fill(row + width, row + panel, real{0});
  }
}

}  // namespace

void transpose(ConstMatrix b, MutableMatrix to) {
  const int64_t rows = b.rows / lanes * lanes;
  const int64_t columns = b.columns / lanes * lanes;
  for (int64_t row = 0; row < rows; row += lanes) {
    for (int64_t column = 0; column < columns; column += lanes) {
      turn_square(b.data + row * b.ld + column, b.ld, to.data + column * to.ld + row, to.ld);
    }
  }
  for (int64_t i = 0; i < b.rows; ++i) {
    for (int64_t j = i < rows ? columns : 0; j < b.columns; ++j) to.data[j * to.ld + i] = b.data[i * b.ld + j];
  }
}

Panels pack(Transpose transposed, ConstMatrix b, real* room) {
  const bool turned = transposed == Transpose::yes;
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
