#include <tape/core/ops/routing.h>

#include <algorithm>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

void need_ids_below(const Op& op, const Ids& ids, int64_t bound, const Tensor& x) {
  const auto outside = std::ranges::find_if(ids.values(), [=](int32_t id) { return id < 0 || id >= bound; });
  if (outside == ids.values().end()) return;
  op.fail(str("id ", *outside, " at position ", outside - ids.values().begin(), " of ", ids.shape(),
              " must be at least 0 and below ", bound, " for x ", x.shape()));
}

// The place of the largest number that is not among the first `taken` of `places`. A NaN is larger than nothing.
int32_t largest_left(const real* x, int64_t n, const int32_t* places, int64_t taken) {
  int32_t best = -1;
  for (int32_t i = 0; i < n; ++i) {
    if (std::find(places, places + taken, i) != places + taken) continue;
    if (best < 0 || x[i] > x[best]) best = i;
  }
  return best;
}

}  // namespace

Ids top_k(const Tensor& x, int64_t k, Where where) {
  const Op op("top_k", where);
  op.need({&x});
  const int64_t columns = x.last();
  if (x.rank() < 1 || k < 1 || k > columns) {
    op.fail(str("k must be at least 1 and at most the last size of x ", x.shape(), ", it is ", k));
  }
  Ids ids(x.shape().with(-1, k));
  parallel_for(x.rows(), row_grain(columns * k),
               [=, in = x.data(), out = ids.mutable_data()](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) {
                   for (int64_t j = 0; j < k; ++j)
                     out[r * k + j] = largest_left(in + r * columns, columns, out + r * k, j);
                 }
               });
  return ids;
}

// y_rj = x_(r, ids_rj)      x (R, E)   ids, y (R, K)      dx_re = Σ over j with ids_rj = e of dy_rj
Tensor gather_last(const Tensor& x, const Ids& ids, Where where) {
  const Op op("gather_last", where);
  op.need({&x});
  if (x.rank() < 1 || ids.shape().rank() != x.rank() || ids.shape().without_last() != x.shape().without_last()) {
    op.fail(str("ids ", ids.shape(), " and x ", x.shape(), " may differ in their last size only"));
  }
  const int64_t columns = x.last();
  const int64_t k = ids.shape().last();
  need_ids_below(op, ids, columns, x);
  Tensor y = Tensor::uninitialized(ids.shape());
  parallel_for(x.rows(), row_grain(k),
               [=, in = x.data(), id = ids.data(), out = y.mutable_data()](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) {
                   for (int64_t j = r * k; j < (r + 1) * k; ++j) out[j] = in[r * columns + id[j]];
                 }
               });
  return op.record(y, {&x}, [ids, rows = x.rows(), columns, k](Backward& b) {
    const GradView dx = b.grad(0);
    parallel_for(rows, row_grain(columns), [=, dy = b.dy(), id = ids.data()](int64_t begin, int64_t end) {
      if (!dx.accumulate) std::fill(dx.data + begin * columns, dx.data + end * columns, real{0});
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t j = r * k; j < (r + 1) * k; ++j) dx.data[r * columns + id[j]] += dy[j];
      }
    });
  });
}

// y_r = Σ_j w_rj·x_(rows_rj)      x (N, C)   rows, w (R, K)   y (R, C)      saves x and w
//   dx_n = Σ over (r, j) with rows_rj = n of w_rj·dy_r      dw_rj = Σ_c dy_rc·x_(rows_rj, c)
// For dx each thread owns a range of columns and walks all of rows in order, as in embedding.
Tensor combine_rows(const Tensor& x, const Ids& rows, const Tensor& weights, Where where) {
  const Op op("combine_rows", where);
  op.need({&x, &weights});
  if (x.rank() != 2) op.fail(str("x ", x.shape(), " must have rank 2: (rows, width)"));
  if (rows.shape() != weights.shape() || weights.rank() < 1) {
    op.fail(
        str("rows ", rows.shape(), " and weights ", weights.shape(), " must have one shape: (…, terms of the sum)"));
  }
  const int64_t count = x.shape()[0];
  const int64_t columns = x.last();
  const int64_t sums = weights.rows();
  const int64_t k = weights.last();
  need_ids_below(op, rows, count, x);
  Tensor y = Tensor::uninitialized(weights.shape().with(-1, columns));
  parallel_for(
      sums, row_grain(columns * k),
      [=, in = x.data(), id = rows.data(), w = weights.data(), out = y.mutable_data()](int64_t begin, int64_t end) {
        std::fill(out + begin * columns, out + end * columns, real{0});
        for (int64_t r = begin; r < end; ++r) {
          for (int64_t j = r * k; j < (r + 1) * k; ++j) {
            const real* row = in + id[j] * columns;
#pragma omp simd
            for (int64_t c = 0; c < columns; ++c) out[r * columns + c] += w[j] * row[c];
          }
        }
      });
  const Cost cost{.flops = 2.0 * static_cast<double>(sums * k) * static_cast<double>(columns)};
  return op.record(
      y, {&x, &weights},
      [x, weights, rows, count, columns, sums, k](Backward& b) {
        const real* dy = b.dy();
        const int32_t* id = rows.data();
        if (b.wants(0)) {
          const GradView dx = b.grad(0);
          parallel_for(columns, 64, [=, w = weights.data()](int64_t begin, int64_t end) {
            if (!dx.accumulate) {
              for (int64_t n = 0; n < count; ++n) {
                std::fill(dx.data + n * columns + begin, dx.data + n * columns + end, real{0});
              }
            }
            for (int64_t j = 0; j < sums * k; ++j) {
              real* row = dx.data + id[j] * columns;
              const real* dyr = dy + j / k * columns;
#pragma omp simd
              for (int64_t c = begin; c < end; ++c) row[c] += w[j] * dyr[c];
            }
          });
        }
        if (b.wants(1)) {
          const GradView dw = b.grad(1);
          parallel_for(sums, row_grain(columns * k), [=, in = x.data()](int64_t begin, int64_t end) {
            for (int64_t j = begin * k; j < end * k; ++j) {
              dw.put(j, row_dot(dy + j / k * columns, in + id[j] * columns, columns));
            }
          });
        }
      },
      cost);
}

}  // namespace tape::inline TAPE_ABI
