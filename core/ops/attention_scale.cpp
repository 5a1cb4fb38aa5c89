#include <tape/core/ops/attention_scale.h>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

// y_h = f_h·x_h      x, y (R, H, D)   f (H)      dx_h = f_h·dy_h    df_h = Σ_rows dy_h·x_h
Tensor scale_heads(const Tensor& x, const Tensor& factors, Where where) {
  const Op op("scale_heads", where);
  op.need({&x, &factors});
  const int64_t heads = factors.size();
  if (x.rank() < 1 || factors.rank() != 1 || heads < 1 || x.last() % heads != 0) {
    op.fail(str("the last size of x ", x.shape(), " must be a multiple of the number of factors ", factors.shape()));
  }
  const int64_t rows = x.rows();
  const int64_t size = x.last() / heads;
  const auto scaled = [=, f = factors.data()](const real* from, GradView to) {
    parallel_for(rows, row_grain(heads * size), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin * heads; i < end * heads; ++i) {
        const real factor = f[i % heads];
        to.put(i * size, (i + 1) * size, [=](int64_t c) { return factor * from[c]; });
      }
    });
  };
  Tensor y = Tensor::uninitialized(x.shape());
  scaled(x.data(), {y.mutable_data(), false});
  return op.record(y, {&x, &factors}, [x, factors, scaled, rows, heads, size](Backward& b) {
    const real* dy = b.dy();
    if (b.wants(0)) scaled(dy, b.grad(0));
    if (!b.wants(1)) return;
    const GradView dfactors = b.grad(1);
    sum_rows(rows, heads, dfactors.accumulate, dfactors.data,
             [=, in = x.data()](int64_t begin, int64_t end, real* sums) {
               for (int64_t i = begin * heads; i < end * heads; ++i) {
                 sums[i % heads] += row_dot(dy + i * size, in + i * size, size);
               }
             });
  });
}

}  // namespace tape::inline TAPE_ABI
