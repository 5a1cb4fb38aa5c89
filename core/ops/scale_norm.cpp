#include <tape/core/ops/norm.h>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

struct RowLength {
  real r = 0;      // 1/max(‖x‖, ε)
  real slope = 0;  // 1, or 0 where ε stands in the place of ‖x‖
};

// y = g·x̂ for one row. One function for the forward pass and for making y again, so that both give the same bits.
[[gnu::noinline]] void write_row(const real* x, real r, real g, int64_t columns, real* y) {
#pragma omp simd
  for (int64_t c = 0; c < columns; ++c) y[c] = g * (r * x[c]);
}

}  // namespace

// y = g·x̂,  x̂ = x·r,  r = 1/max(‖x‖, ε)      x (…, C)   g (1)      saves x and, for each row, r
//   dx = g·r·(dy - x̂·Σ(dy⊙x̂)) where ‖x‖ > ε, else g·r·dy     dg = Σ dy⊙x̂
Tensor scale_norm(const Tensor& x, const Tensor& gain, double eps, Where where) {
  const Op op("scale_norm", where);
  op.need({&x, &gain});
  const int64_t columns = x.last();
  if (x.rank() < 1 || columns == 0) op.fail(str("x ", x.shape(), " has no elements along its last axis"));
  if (gain.shape() != Shape{1}) {
    op.fail(str("gain ", gain.leaf() ? gain.name() + " " : "", gain.shape(), " must be (1)"));
  }
  if (!(eps > 0)) op.fail(str("eps must be above 0, it is ", eps));
  const int64_t rows = x.rows();
  const Storage saved = Storage::of<RowLength>(rows);
  Tensor y = Tensor::uninitialized(x.shape());
  parallel_for(rows, row_grain(columns),
               [=, in = x.data(), g = gain.data(), out = y.mutable_data(), lengths = saved.as<RowLength>()](
                   int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   const real* xr = in + row * columns;
                   const double length = row_length(xr, columns);
                   const bool clamped = length <= eps;
                   const real r = static_cast<real>(1 / (clamped ? eps : length));
                   lengths[row] = {r, clamped ? real{0} : real{1}};
                   write_row(xr, r, g[0], columns, out + row * columns);
                 }
               });
  const Saved input(x);
  const auto backward = [input, gain, saved, rows, columns](Backward& back) {
    const Tensor kept = back.value(input);
    const real* in = kept.data();
    const real* dy = back.dy();
    const auto* lengths = saved.as<RowLength>();
    const real g = gain.data()[0];
    const bool wants_x = back.wants(0);
    const GradView dx = wants_x ? back.grad(0) : GradView{};
    real dg = 0;
    sum_rows(rows, 1, false, &dg, [=](int64_t begin, int64_t end, real* sum) {
      for (int64_t row = begin; row < end; ++row) {
        const RowLength s = lengths[row];
        const real* xr = in + row * columns;
        const real* dyr = dy + row * columns;
        real dot = 0;
#pragma omp simd reduction(+ : dot)
        for (int64_t c = 0; c < columns; ++c) dot += dyr[c] * (s.r * xr[c]);
        sum[0] += dot;
        if (!wants_x) continue;
        const real along = s.slope * dot;
        const GradView dxr{dx.data + row * columns, dx.accumulate};
        dxr.put(0, columns, [=](int64_t c) { return g * s.r * (dyr[c] - along * (s.r * xr[c])); });
      }
    });
    if (back.wants(1)) back.grad(1).put(0, dg);
  };
  const auto remake = [input, gain, saved, rows, columns](Backward& back) {
    const Tensor kept = back.value(input);
    Tensor again = Tensor::uninitialized(kept.shape());
    parallel_for(rows, row_grain(columns),
                 [=, in = kept.data(), g = gain.data(), out = again.mutable_data(), lengths = saved.as<RowLength>()](
                     int64_t begin, int64_t end) {
                   for (int64_t row = begin; row < end; ++row)
                     write_row(in + row * columns, lengths[row].r, g[0], columns, out + row * columns);
                 });
    return again;
  };
  return op.record_cheap(y, {&x, &gain}, backward, remake);
}

}  // namespace tape::inline TAPE_ABI
