#include <tape/core/ops/gain.h>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

// y = x ⊙ w on each row     dx = dy ⊙ w     dw = Σ_rows dy ⊙ x, summed over the columns too when w is one number
Tensor multiply_rows(const Tensor& x, const Tensor& weight, Where where) {
  const Op op("multiply_rows", where);
  op.need({&x, &weight});
  const int64_t columns = x.last();
  if (x.rank() < 1 || weight.rank() != 1 || (weight.size() != columns && weight.size() != 1)) {
    op.fail(str("weight ", weight.leaf() ? weight.name() + " " : "", weight.shape(), " must be (", columns,
                "), the last size of x ", x.shape(), ", or (1)"));
  }
  const bool single = weight.size() == 1;
  Tensor y = Tensor::uninitialized(x.shape());
  real* out = y.mutable_data();
  parallel_for(x.rows(), row_grain(columns), [=, in = x.data(), w = weight.data()](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) out[r * columns + c] = in[r * columns + c] * (single ? w[0] : w[c]);
    }
  });
  return op.record(y, {&x, &weight}, [=](Backward& b) {
    const real* dy = b.dy();
    if (b.wants(1)) {
      const Storage sums = Storage::of<real>(columns);
      sum_rows(x.rows(), columns, false, sums.as<real>(), [=, in = x.data()](int64_t begin, int64_t end, real* sum) {
        for (int64_t r = begin; r < end; ++r) {
#pragma omp simd
          for (int64_t c = 0; c < columns; ++c) sum[c] += dy[r * columns + c] * in[r * columns + c];
        }
      });
      const GradView dw = b.grad(1);
      if (single) {
        dw.put(0, row_sum(sums.as<real>(), columns));
      } else {
        dw.put(0, columns, [s = sums.as<real>()](int64_t c) { return s[c]; });
      }
    }
    if (b.wants(0)) {
      const GradView dx = b.grad(0);
      parallel_for(x.rows(), row_grain(columns), [=, w = weight.data()](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          dx.put(r * columns, (r + 1) * columns,
                 [=](int64_t i) { return dy[i] * (single ? w[0] : w[i - r * columns]); });
        }
      });
    }
  });
}

}  // namespace tape::inline TAPE_ABI
