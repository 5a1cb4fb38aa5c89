// How a matrix product is cut into tiles. The grid follows from the shape alone, and never cuts the summed size, so
// that the result is the same with any number of threads.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include <tape/core/gemm.h>

namespace tape::inline TAPE_ABI {

/// Rows row … row + rows - 1 and columns column … column + columns - 1 of C.
struct Tile {
  int64_t row, column;
  int64_t rows, columns;
};

/// The tiles of an (m, n) product, m, n > 0: of at most about `rows` rows and 1024 columns, large enough that a call
/// reaches full speed, small enough that a product of a small model still makes work for several threads. Rows are cut
/// into a power of two of parts, which threads share out evenly, and columns into parts that begin at multiples of
/// `unit`. Without `shared`, where one thread computes all of them, only their size cuts them.
class TileGrid {
 public:
  TileGrid(int64_t m, int64_t n, int64_t rows, bool shared = true, int64_t unit = vector_numbers) : m_(m), n_(n) {
    const auto down = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(divide_up(m, rows))));
    rows_ = part(m, std::max<int64_t>(down, shared && m >= 192 ? 2 : 1), vector_numbers);
    constexpr int64_t most_columns = 1024;
    int64_t parts = divide_up(n, most_columns);
    // Few rows: the columns are cut finer, so that threads have work.
    if (shared && rows_ >= m && m * n >= 64 * 64) parts = std::max<int64_t>(parts, n >= 256 ? 4 : 2);
    columns_ = part(n, parts, unit);
    across_ = divide_up(n, columns_);
  }

  int64_t count() const { return divide_up(m_, rows_) * across_; }
  Tile operator[](int64_t i) const {
    const int64_t row = i / across_ * rows_;
    const int64_t column = i % across_ * columns_;
    return {row, column, std::min(rows_, m_ - row), std::min(columns_, n_ - column)};
  }

 private:
  static int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
  // About n/parts, a multiple of `unit`.
  static int64_t part(int64_t n, int64_t parts, int64_t unit) {
    return std::max(divide_up(divide_up(n, parts), unit) * unit, unit);
  }

  static constexpr int64_t vector_numbers = 16;  // so that tiles begin where vectors do

  int64_t m_, n_;
  int64_t rows_, columns_;  // of a tile
  int64_t across_;          // tiles beside each other
};

/// Carries out the epilogue on a tile of C.
inline void finish(const Epilogue& epilogue, const Tile& tile, MutableMatrix c) {
  const auto& [bias, residual, activation, with_slope, activated] = epilogue;
  if (!bias && !residual && !activation && !with_slope) return;
  const int64_t n = tile.columns;
  for (int64_t i = tile.row; i < tile.row + tile.rows; ++i) {
    const int64_t first = i * c.ld + tile.column;
    real* const row = c.data + first;
    if (bias && residual) {
      const real* const b = bias + tile.column;
      const real* const r = residual + first;
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) row[j] = row[j] + b[j] + r[j];
    } else if (bias || residual) {
      const real* const added = bias ? bias + tile.column : residual + first;
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) row[j] += added[j];
    }
    if (activation) activation(row, activated + first, n);
    if (with_slope) with_slope(row, activated + first, n);
  }
}

}  // namespace tape::inline TAPE_ABI
