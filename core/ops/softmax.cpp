#include <tape/core/ops/softmax.h>

#include <cmath>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

void need_rows(const Op& op, const Tensor& x) {
  op.need({&x});
  if (x.rank() < 1 || x.last() == 0) op.fail(str("x ", x.shape(), " has no elements along its last axis"));
}

}  // namespace

// y = e^(x - max)/Σ     dx = y ⊙ (dy - Σ_j dy_j·y_j)      saves y
Tensor softmax(const Tensor& x, Where where) {
  const Op op("softmax", where);
  need_rows(op, x);
  const int64_t columns = x.last();
  Tensor y = Tensor::uninitialized(x.shape());
  real* out = y.mutable_data();
  parallel_for(x.rows(), row_grain(columns), [=, in = x.data()](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const real* row = in + r * columns;
      const real total = exp_row(row, columns, row_max(row, columns), out + r * columns);
      scale_row(out + r * columns, columns, 1 / total);
    }
  });
  return op.record(y, {&x}, [y, columns](Backward& b) {
    const GradView dx = b.grad(0);
    parallel_for(y.rows(), row_grain(columns), [=, dy = b.dy(), p = y.data()](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t at = r * columns;
        const real dot = row_dot(dy + at, p + at, columns);
#pragma omp simd
        for (int64_t c = 0; c < columns; ++c) dx.put(at + c, p[at + c] * (dy[at + c] - dot));
      }
    });
  });
}

// y = x - lse, lse = max + log Σ e^(x - max)     dx = dy - e^y·Σ_j dy_j      saves y
Tensor log_softmax(const Tensor& x, Where where) {
  const Op op("log_softmax", where);
  need_rows(op, x);
  const int64_t columns = x.last();
  Tensor y = Tensor::uninitialized(x.shape());
  real* out = y.mutable_data();
  parallel_for(x.rows(), row_grain(columns), [=, in = x.data()](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const real* row = in + r * columns;
      const real top = row_max(row, columns);
      const real lse = top + std::log(sum_exp_row(row, columns, top));
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) out[r * columns + c] = row[c] - lse;
    }
  });
  return op.record(y, {&x}, [y, columns](Backward& b) {
    const GradView dx = b.grad(0);
    parallel_for(y.rows(), row_grain(columns), [=, dy = b.dy(), p = y.data()](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const int64_t at = r * columns;
        const real total = row_sum(dy + at, columns);
#pragma omp simd
        for (int64_t c = 0; c < columns; ++c) dx.put(at + c, dy[at + c] - exp_(p[at + c]) * total);
      }
    });
  });
}

}  // namespace tape::inline TAPE_ABI
