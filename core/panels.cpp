#include <tape/core/panels.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tape::inline TAPE_ABI {

namespace {

// Elements whose row and column differ in the bit `step` change places: those of two rows that differ in it.
template <std::size_t step, class V, std::size_t... i>
void exchange(V& a, V& b, std::index_sequence<i...>) {
  constexpr auto width = static_cast<std::size_t>(lanes);
  const V low = __builtin_shufflevector(a, b, (i & step ? width + i - step : i)...);
  b = __builtin_shufflevector(a, b, (i & step ? width + i : i + step)...);
  a = low;
}

// A square of `lanes` rows, transposed bit by bit.
template <std::size_t step = 1, class V>
[[gnu::always_inline]] inline void transpose_square(std::array<V, lanes>& rows) {
  if constexpr (step < static_cast<std::size_t>(lanes)) {
#pragma GCC unroll 16
    for (std::size_t j = 0; j < rows.size(); ++j) {
      if ((j & step) == 0) exchange<step>(rows[j], rows[j + step], std::make_index_sequence<lanes>());
    }
    transpose_square<2 * step>(rows);
  }
}

// What a vector of E's takes from a row of numbers.
template <class E>
auto load_row(const real* from) {
  if constexpr (numbers_in<E> == 1) {
    return load(from);
  } else {
    return pairs_along(from);
  }
}

// Writes a square of `lanes` rows of E's transposed; the leading dimensions are those of its surroundings.
template <class E>
[[gnu::always_inline]] inline void turn_square(const real* from, int64_t ld, E* to, int64_t to_ld) {
  std::array<decltype(load_row<E>(from)), lanes> rows;
#pragma GCC unroll 16
  for (std::size_t j = 0; j < rows.size(); ++j) rows[j] = load_row<E>(from + static_cast<int64_t>(j) * ld);
  transpose_square(rows);
#pragma GCC unroll 16
  for (std::size_t j = 0; j < rows.size(); ++j) store(to + static_cast<int64_t>(j) * to_ld, rows[j]);
}

// One E: the number, or it and the next of its row.
void put(const real* row, int64_t, real* to) {
  *to = row[0];
}
void put(const real* row, int64_t left, bf16_pair* to) {
  *to = pair_of(row[0], left > 1 ? row[1] : 0);
}

// A row of E's from one or two rows of b, of which the second may be missing.
void put_rows(const real* row, const real* /*next*/, int64_t n, real* to) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(to + i, load(row + i));
  std::copy(row + i, row + n, to + i);
}
void put_rows(const real* row, const real* next, int64_t n, bf16_pair* to) {
  int64_t i = 0;
  if (next) {
    for (; i + lanes <= n; i += lanes) store(to + i, pairs_across(row + i, next + i));
  }
  for (; i < n; ++i) to[i] = pair_of(row[i], next ? next[i] : 0);
}

// Columns first … first + n - 1 of b, its rows one E after the other, each `to_ld` E's from the one before.
template <class E>
void put_columns(ConstMatrix b, int64_t first, int64_t n, E* to, int64_t to_ld) {
  for (int64_t r = 0; r < b.rows; r += numbers_in<E>, to += to_ld) {
    const real* const row = b.data + r * b.ld + first;
    put_rows(row, r + 1 < b.rows ? row + b.ld : nullptr, n, to);
  }
}

// One panel: columns first … first + panel - 1 of b.
template <class E>
void pack_straight(ConstMatrix b, int64_t first, E* to) {
  const int64_t width = std::min(panel, b.columns - first);
  put_columns(b, first, width, to, panel);
  if (width == panel) return;
  for (int64_t r = 0; r < depth<E>(b.rows); ++r) std::fill_n(to + r * panel + width, panel - width, E{});
}

// One panel of bᵀ: rows first … first + panel - 1 of b.
template <class E>
void pack_turned(ConstMatrix b, int64_t first, E* to) {
  constexpr int64_t numbers = numbers_in<E>;
  const int64_t width = std::min(panel, b.rows - first);
  const real* const from = b.data + first * b.ld;
  const int64_t in_squares = width == panel ? b.columns / (numbers * lanes) * lanes : 0;
  for (int64_t r = 0; r < in_squares; r += lanes) {
    for (int64_t half = 0; half < panel; half += lanes) {
      turn_square(from + half * b.ld + numbers * r, b.ld, to + r * panel + half, panel);
    }
  }
  for (int64_t r = in_squares; r < depth<E>(b.columns); ++r) {
    E* const row = to + r * panel;
    for (int64_t j = 0; j < width; ++j) put(from + j * b.ld + numbers * r, b.columns - numbers * r, row + j);
    std::fill(row + width, row + panel, E{});
  }
}

// The first factor in pairs along its rows, or across them.
void round_rows(ConstMatrix a, bf16_pair* to) {
  for (int64_t i = 0; i < a.rows; ++i, to += depth<bf16_pair>(a.columns)) {
    const real* const row = a.data + i * a.ld;
    int64_t j = 0;
    for (; j + 2 * lanes <= a.columns; j += 2 * lanes) store(to + j / 2, pairs_along(row + j));
    for (; j < a.columns; j += 2) put(row + j, a.columns - j, to + j / 2);
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

template <class E>
void pack_panel(Transpose transposed, ConstMatrix b, int64_t i, E* room) {
  const int64_t first = i * panel;
  if (transposed == Transpose::yes) {
    pack_turned(b, first, room + first * depth<E>(b.columns));
  } else {
    pack_straight(b, first, room + first * depth<E>(b.rows));
  }
}

template <class E>
Panels<E> pack(Transpose transposed, ConstMatrix b, E* room) {
  const bool turned = transposed == Transpose::yes;
  const int64_t rows = depth<E>(turned ? b.columns : b.rows);
  const int64_t columns = turned ? b.rows : b.columns;
  for (int64_t i = 0; i < panels_across(columns); ++i) pack_panel(transposed, b, i, room);
  return {room, rows, rows * panel};
}

template <>
Left<real> left(Transpose transposed, ConstMatrix a, real*) {
  const bool turned = transposed == Transpose::yes;
  return {a.data, turned ? 1 : a.ld, turned ? a.ld : 1};
}

template <>
Left<bf16_pair> left(Transpose transposed, ConstMatrix a, bf16_pair* room) {
  if (transposed == Transpose::yes) {
    put_columns(a, 0, a.columns, room, a.columns);
    return {room, 1, a.columns};
  }
  round_rows(a, room);
  return {room, depth<bf16_pair>(a.columns), 1};
}

template void pack_panel(Transpose, ConstMatrix, int64_t, bf16_pair*);
template Panels<real> pack(Transpose, ConstMatrix, real*);
template Panels<bf16_pair> pack(Transpose, ConstMatrix, bf16_pair*);

}  // namespace tape::inline TAPE_ABI
