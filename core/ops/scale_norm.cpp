#include <algorithm>
#include <cmath>

#include <tape/core/ops/norm.h>
#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

// y = g·x·r,  r = 1/max(‖x‖, ε)      x (…, C)   g (1)      saves x and, for each row, r
//   dx = g·(r·dy - x·r³·Σ(dy⊙x)) where ‖x‖ > ε, else g·r·dy     dg = Σ_rows r·Σ(dy⊙x)
Tensor scale_norm(const Tensor& x, const Tensor& gain, double eps, Where where) {
  const Op op("scale_norm", where);
  op.need({&x, &gain});
  const int64_t columns = x.last();
  if (x.rank() < 1 || columns == 0) op.fail(str("x ", x.shape(), " has no elements along its last axis"));
  if (gain.rank() != 1 || gain.size() != 1) op.fail(str("gain ", gain.shape(), " must be (1)"));
  if (!(eps > 0)) op.fail(str("eps must be above 0, it is ", eps));
  const int64_t rows = x.rows();
  const Storage saved = Storage::of<real>(rows);
  Tensor y = Tensor::uninitialized(x.shape());
  parallel_for(rows, row_grain(columns),
               [=, in = x.data(), g = gain.data(), out = y.mutable_data(), reciprocal = saved.as<real>()](int64_t begin,
                                                                                                          int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   const real* xr = in + row * columns;
                   const double length = std::sqrt(static_cast<double>(row_dot(xr, xr, columns)));
                   const real r = reciprocal[row] = static_cast<real>(1 / std::max(eps, length));
                   const real factor = g[0] * r;
#pragma omp simd
                   for (int64_t c = 0; c < columns; ++c) out[row * columns + c] = factor * xr[c];
                 }
               });
  return op.record(y, {&x, &gain}, [x, gain, saved, eps, rows, columns](Backward& back) {
    const real* in = x.data();
    const real* dy = back.dy();
    const real* reciprocal = saved.as<real>();
    const real g = gain.data()[0];
    const bool wants_x = back.wants(0);
    const GradView dx = wants_x ? back.grad(0) : GradView{};
    real dg = 0;
    sum_rows(rows, 1, false, &dg, [=](int64_t begin, int64_t end, real* sum) {
      for (int64_t row = begin; row < end; ++row) {
        const real r = reciprocal[row];
        const real* xr = in + row * columns;
        const real* dyr = dy + row * columns;
        const real dot = row_dot(dyr, xr, columns);
        sum[0] += r * dot;
        if (!wants_x) continue;
        const real along = static_cast<double>(r) * eps < 1 ? r * r * dot : real{0};
#pragma omp simd
        for (int64_t c = 0; c < columns; ++c) dx.put(row * columns + c, g * r * (dyr[c] - along * xr[c]));
      }
    });
    if (back.wants(1)) back.grad(1).put(0, dg);
  });
}

}  // namespace tape::inline TAPE_ABI
