#include <tape/core/ops/rotary.h>

#include <cmath>
#include <cstring>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// cos and sin of the angle of each position and pair: two tables (T, rotated/2), one after the other.
Storage angle_tables(int64_t length, const RotaryOptions& o) {
  const int64_t half = o.rotated / 2;
  const Storage tables = Storage::of<real>(2 * length * half);
  parallel_for(length, 16, [=, cosine = tables.as<real>()](int64_t begin, int64_t end) {
    real* sine = cosine + length * half;
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t i = 0; i < half; ++i) {
        const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(2 * half);
        const double angle = static_cast<double>(o.first_position + t) * std::pow(o.base, exponent);
        cosine[t * half + i] = static_cast<real>(std::cos(angle));
        sine[t * half + i] = static_cast<real>(std::sin(angle));
      }
    }
  });
  return tables;
}

// (a, b) → (a·cos - b·sin, b·cos + a·sin), with the opposite angle for direction = -1. Pair i of a head is columns
// (step·i, step·i + apart).
template <int64_t step>
void turn(const Shape& shape, const RotaryOptions& o, const Storage& tables, real direction, const real* x,
          GradView y) {
  const int64_t length = shape[1];
  const int64_t width = shape[2];
  const int64_t half = o.rotated / 2;
  const int64_t apart = step == 1 ? half : 1;
  const real* cosine = tables.as<real>();
  const real* sine = cosine + length * half;
  parallel_for(shape.rows(), row_grain(width), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const real* c = cosine + r % length * half;
      const real* s = sine + r % length * half;
      for (int64_t h = 0; h < o.heads; ++h) {
        const int64_t at = r * width + h * o.head_size;
#pragma omp simd
        for (int64_t i = 0; i < half; ++i) {
          const real a = x[at + step * i];
          const real b = x[at + step * i + apart];
          y.put(at + step * i, a * c[i] - direction * b * s[i]);
          y.put(at + step * i + apart, b * c[i] + direction * a * s[i]);
        }
        for (int64_t i = at + o.rotated; i < at + o.head_size; ++i) y.put(i, x[i]);
      }
      for (int64_t i = r * width + o.heads * o.head_size; i < (r + 1) * width; ++i) y.put(i, x[i]);
    }
  });
}

void turn_pairs(const Shape& shape, const RotaryOptions& o, const Storage& tables, real direction, const real* x,
                GradView y) {
  o.layout == RotaryLayout::halves ? turn<1>(shape, o, tables, direction, x, y)
                                   : turn<2>(shape, o, tables, direction, x, y);
}

}  // namespace

// y = x turned by its position's angles     dx = dy turned back      saves the angles' cosines and sines
Tensor rotary(const Tensor& x, const RotaryOptions& options, Where where) {
  const Op op("rotary", where);
  op.need({&x});
  RotaryOptions o = options;
  if (o.rotated == 0) o.rotated = o.head_size;
  if (x.rank() != 3 || o.heads < 1 || o.rotated < 2 || o.rotated % 2 != 0 || o.rotated > o.head_size ||
      o.heads * o.head_size > x.last()) {
    op.fail(str("x ", x.shape(), " must be (batch, length, width) with room for ", o.heads, " heads of size ",
                o.head_size, ", an even number of whose columns are rotated, not ", o.rotated));
  }
  const Storage tables = angle_tables(x.shape()[1], o);
  Tensor y = Tensor::uninitialized(x.shape());
  turn_pairs(x.shape(), o, tables, 1, x.data(), {y.mutable_data(), false});
  return op.record(
      y, {&x}, [o, tables, shape = x.shape()](Backward& b) { turn_pairs(shape, o, tables, -1, b.dy(), b.grad(0)); });
}

}  // namespace tape::inline TAPE_ABI
