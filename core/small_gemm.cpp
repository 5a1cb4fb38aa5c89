#include <tape/core/small_gemm.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace tape::inline TAPE_ABI {

namespace {

using Vector [[gnu::vector_size(vector_bytes)]] = real;
constexpr int64_t lanes = vector_bytes / static_cast<int64_t>(sizeof(real));

Vector load(const real* x) {
  Vector v;
  std::memcpy(&v, x, sizeof v);
  return v;
}
void store(real* x, Vector v) {
  std::memcpy(x, &v, sizeof v);
}

// The first factor: element (i, p) is data[i·by_row + p·by_column].
struct Left {
  const real* data;
  int64_t by_row, by_column;
};

// `height` rows of C and one panel of columns, all sums in registers.
template <int height>
struct RegisterTile {
  std::array<std::array<Vector, 2>, height> sum;

  RegisterTile(Left a, const real* b, int64_t depth) : sum{} {
    for (int64_t p = 0; p < depth; ++p) {
      const Vector b0 = load(b + p * panel);
      const Vector b1 = load(b + p * panel + lanes);
#pragma GCC unroll 8
      for (int i = 0; i < height; ++i) {
        const real x = a.data[i * a.by_row + p * a.by_column];
        sum[static_cast<std::size_t>(i)][0] += x * b0;
        sum[static_cast<std::size_t>(i)][1] += x * b1;
      }
    }
  }

  void write(real alpha, real beta, real* c, int64_t ld, int64_t columns) const {
    for (int i = 0; i < height; ++i) {
      real* const row = c + i * ld;
      const std::array<Vector, 2>& s = sum[static_cast<std::size_t>(i)];
      if (columns == panel) {
        store(row, beta == 0 ? alpha * s[0] : alpha * s[0] + load(row));
        store(row + lanes, beta == 0 ? alpha * s[1] : alpha * s[1] + load(row + lanes));
      } else {
        std::array<real, panel> part;
        store(part.data(), alpha * s[0]);
        store(part.data() + lanes, alpha * s[1]);
        for (int64_t j = 0; j < columns; ++j) row[j] = part[static_cast<std::size_t>(j)] + (beta == 0 ? 0 : row[j]);
      }
    }
  }
};

template <int height>
void tile(Left a, const real* b, int64_t depth, real alpha, real beta, real* c, int64_t ld, int64_t columns) {
  RegisterTile<height>(a, b, depth).write(alpha, beta, c, ld, columns);
}

// Twelve sums and three factors fit the sixteen registers that every x86-64 has.
constexpr int64_t most_height = 6;
constexpr std::array tiles{tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

}  // namespace

Packed pack(Transpose transpose, ConstMatrix b, real* room) {
  const bool turned = transpose == Transpose::yes;
  const int64_t rows = turned ? b.columns : b.rows;
  const int64_t columns = turned ? b.rows : b.columns;
  for (int64_t first = 0; first < columns; first += panel) {
    real* const to = room + first * rows;
    const int64_t width = std::min(panel, columns - first);
    for (int64_t r = 0; r < rows; ++r) {
      real* const row = to + r * panel;
      if (turned) {
        for (int64_t j = 0; j < width; ++j) row[j] = b.data[(first + j) * b.ld + r];
      } else {
        std::copy_n(b.data + r * b.ld + first, width, row);
      }
      std::fill(row + width, row + panel, real{0});
    }
  }
  return {room, rows, columns, rows * panel};
}

void small_gemm(Transpose ta, real alpha, ConstMatrix a, const Packed& b, real beta, MutableMatrix c) {
  const bool turned = ta == Transpose::yes;
  const Left left{a.data, turned ? 1 : a.ld, turned ? a.ld : 1};
  for (int64_t column = 0; column < c.columns; column += panel) {
    const real* const b_panel = b.data + column / panel * b.stride;
    const int64_t columns = std::min(panel, c.columns - column);
    for (int64_t row = 0; row < c.rows; row += most_height) {
      const int64_t height = std::min(most_height, c.rows - row);
      tiles[static_cast<std::size_t>(height - 1)]({left.data + row * left.by_row, left.by_row, left.by_column}, b_panel,
                                                  b.rows, alpha, beta, c.data + row * c.ld + column, c.ld, columns);
    }
  }
}

}  // namespace tape::inline TAPE_ABI
