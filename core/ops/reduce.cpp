#include <tape/core/ops/reduce.h>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// y = factor·Σ x     dx = factor·dy
Tensor total(const Op& op, const Tensor& x, double factor) {
  const real* in = x.data();
  const double sum = parallel_sum(x.size(), elementwise_grain, [in](int64_t begin, int64_t end) {
    double part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t i = begin; i < end; ++i) part += static_cast<double>(in[i]);
    return part;
  });
  return op.record(Tensor::scalar(static_cast<real>(sum * factor)), {&x}, [n = x.size(), factor](Backward& b) {
    const GradView dx = b.grad(0);
    const real value = static_cast<real>(factor) * *b.dy();
    parallel_for(n, elementwise_grain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) dx.put(i, value);
    });
  });
}

// y_r = factor·Σ_c x_rc     dx_rc = factor·dy_r
Tensor row_totals(const Op& op, const Tensor& x, real factor) {
  const int64_t columns = x.last();
  Tensor y = Tensor::uninitialized(x.shape().without_last());
  real* out = y.mutable_data();
  parallel_for(x.rows(), row_grain(columns), [=, in = x.data()](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      double part = 0;
#pragma omp simd reduction(+ : part)
      for (int64_t c = 0; c < columns; ++c) part += static_cast<double>(in[r * columns + c]);
      out[r] = factor * static_cast<real>(part);
    }
  });
  return op.record(y, {&x}, [rows = x.rows(), columns, factor](Backward& b) {
    const GradView dx = b.grad(0);
    parallel_for(rows, row_grain(columns), [=, dy = b.dy()](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t c = 0; c < columns; ++c) dx.put(r * columns + c, factor * dy[r]);
      }
    });
  });
}

}  // namespace

Tensor sum(const Tensor& x, Where where) {
  const Op op("sum", where);
  op.need({&x});
  return total(op, x, 1);
}

Tensor mean(const Tensor& x, Where where) {
  const Op op("mean", where);
  op.need({&x});
  if (x.size() == 0) op.fail(str("x ", x.shape(), " has no elements, so it has no mean"));
  return total(op, x, 1.0 / static_cast<double>(x.size()));
}

Tensor sum_last(const Tensor& x, Where where) {
  const Op op("sum_last", where);
  op.need({&x});
  if (x.rank() < 1) op.fail("x has rank 0, so it has no last axis");
  return row_totals(op, x, 1);
}

Tensor mean_last(const Tensor& x, Where where) {
  const Op op("mean_last", where);
  op.need({&x});
  if (x.rank() < 1 || x.last() == 0) op.fail(str("x ", x.shape(), " has no elements along its last axis"));
  return row_totals(op, x, real{1} / static_cast<real>(x.last()));
}

}  // namespace tape::inline TAPE_ABI
