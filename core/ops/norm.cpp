#include <tape/core/ops/norm.h>

#include <algorithm>
#include <cmath>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// What a row keeps for backward: x̂ = (x - mean)·r + shift. The mean is rounded to `real`; shift = -r·(what the rounding
// lost), so that rows whose mean is large beside their spread stay accurate. slope = dln(1/r)/dln s, the share of the
// statistic s in r: 1 but for ε outside of the root.
struct RowStatistics {
  real mean = 0;
  real r = 0;
  real shift = 0;
  real slope = 1;

  real normalized(real x) const { return (x - mean) * r + shift; }
};

struct Deviations {
  real sum = 0;
  real squares = 0;
};

// Σ (x - mean) and Σ (x - mean)².
template <bool centered>
Deviations deviations(const real* x, int64_t n, real mean) {
  real sum = 0;
  real squares = 0;
#pragma omp simd reduction(+ : sum, squares)
  for (int64_t i = 0; i < n; ++i) {
    const real d = x[i] - mean;
    if constexpr (centered) sum += d;
    squares += d * d;
  }
  return {sum, squares};
}

template <bool centered>
RowStatistics row_statistics(const real* x, int64_t n, double eps, EpsPlace place) {
  const auto count = static_cast<real>(n);
  RowStatistics s;
  if constexpr (centered) s.mean = row_sum(x, n) / count;
  Deviations d = deviations<centered>(x, n, s.mean);
  if constexpr (centered) {
    // In a row of (nearly) equal numbers the mean's rounding outweighs the spread: once more around a better mean.
    if (d.sum / count * d.sum > d.squares / 128) {
      s.mean += d.sum / count;
      d = deviations<centered>(x, n, s.mean);
    }
  }
  const real lost = d.sum / count;
  const double variance =
      static_cast<double>(d.squares / count) - static_cast<double>(lost) * static_cast<double>(lost);
  if (place == EpsPlace::inside) {
    s.r = static_cast<real>(1 / std::sqrt(std::max(variance, 0.0) + eps));
  } else {
    const double deviation = std::sqrt(std::max(variance, 0.0));
    s.r = static_cast<real>(1 / (deviation + eps));
    s.slope = static_cast<real>(deviation > 0 ? (deviation + eps) / deviation : 0);
  }
  s.shift = -lost * s.r;
  return s;
}

void check(const Op& op, const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& o) {
  op.need({&x});
  const int64_t columns = x.last();
  if (x.rank() < 1 || columns == 0) op.fail(str("x ", x.shape(), " has no elements along its last axis"));
  for (const Tensor* p : {&weight, &bias}) {
    if (*p && (p->rank() != 1 || p->size() != columns)) {
      op.fail(str(p == &weight ? "weight " : "bias ", p->leaf() ? p->name() + " " : "", p->shape(), " must be (",
                  columns, "), the last size of x ", x.shape()));
    }
  }
  if (!(o.eps >= 0)) op.fail(str("eps must not be negative, it is ", o.eps));
  if (!(o.partial > 0 && o.partial <= 1)) op.fail(str("partial must be above 0 and at most 1, it is ", o.partial));
}

// y = x̂ ⊙ w + b,  x̂ = (x - μ)·r      x (…, C)   w, b (C) or absent      LayerNorm: μ = mean(x).  RMSNorm: μ = 0.
//   s = √mean((x-μ)²)    r = 1/√(s² + ε), or 1/(s + ε)    saves x and, for each row, μ and r
//   g = w⊙dy    dx = r·(g - [LayerNorm] mean(g) - x̂·mean(g⊙x̂))    dw = Σ_rows dy⊙x̂    db = Σ_rows dy
// With ε outside of the root the last term of dx has the factor (s + ε)/s. A partial norm takes s from the first k
// columns: these alone have the last term, with Σ(g⊙x̂)/k.
// `centered` is the whole difference between the two norms.
template <bool centered>
Tensor normalize(const char* name, const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& o,
                 Where where) {
  const Op op(name, where);
  check(op, x, weight, bias, o);
  const int64_t rows = x.rows();
  const int64_t columns = x.last();
  const auto seen = static_cast<int64_t>(std::ceil(o.partial * static_cast<double>(columns)));
  const real offset = o.unit_offset ? 1 : 0;
  const Storage saved = Storage::of<RowStatistics>(rows);
  Tensor y = Tensor::uninitialized(x.shape());
  parallel_for(rows, row_grain(columns),
               [=, eps = o.eps, place = o.eps_place, in = x.data(), w = weight.data(), b = bias.data(),
                out = y.mutable_data(), stats = saved.as<RowStatistics>()](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   const real* xr = in + row * columns;
                   real* yr = out + row * columns;
                   const RowStatistics s = stats[row] = row_statistics<centered>(xr, seen, eps, place);
#pragma omp simd
                   for (int64_t c = 0; c < columns; ++c)
                     yr[c] = s.normalized(xr[c]) * (w ? w[c] + offset : 1) + (b ? b[c] : 0);
                 }
               });

  return op.record(y, {&x, &weight, &bias}, [x, weight, saved, rows, columns, seen, offset](Backward& back) {
    const real* in = x.data();
    const real* w = weight.data();
    const real* dy = back.dy();
    const auto* stats = saved.as<RowStatistics>();
    const bool wants_x = back.wants(0);
    const GradView dx = wants_x ? back.grad(0) : GradView{};
    // One walk over the rows gives dx and the sums for dw and db, side by side in `sums`.
    const Storage totals = Storage::of<real>(2 * columns);
    sum_rows(rows, 2 * columns, false, totals.as<real>(), [=](int64_t begin, int64_t end, real* sums) {
      for (int64_t row = begin; row < end; ++row) {
        const RowStatistics s = stats[row];
        const real* xr = in + row * columns;
        const real* dyr = dy + row * columns;
        real sum_g = 0;
        real sum_gx = 0;
#pragma omp simd reduction(+ : sum_g, sum_gx)
        for (int64_t c = 0; c < columns; ++c) {
          const real xhat = s.normalized(xr[c]);
          const real g = w ? (w[c] + offset) * dyr[c] : dyr[c];
          if constexpr (centered) sum_g += g;
          sum_gx += g * xhat;
          sums[c] += dyr[c] * xhat;
          sums[columns + c] += dyr[c];
        }
        if (!wants_x) continue;
        const real mean_g = sum_g / static_cast<real>(columns);
        const real mean_gx = s.slope * sum_gx / static_cast<real>(seen);
        const auto g = [=](int64_t c) { return w ? (w[c] + offset) * dyr[c] : dyr[c]; };
#pragma omp simd
        for (int64_t c = 0; c < seen; ++c)
          dx.put(row * columns + c, s.r * (g(c) - mean_g - s.normalized(xr[c]) * mean_gx));
#pragma omp simd
        for (int64_t c = seen; c < columns; ++c) dx.put(row * columns + c, s.r * (g(c) - mean_g));
      }
    });
    for (const int input : {1, 2}) {
      if (!back.wants(input)) continue;
      const GradView d = back.grad(input);
      const real* sums = totals.as<real>() + (input - 1) * columns;
      for (int64_t c = 0; c < columns; ++c) d.put(c, sums[c]);
    }
  });
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& options, Where where) {
  return normalize<true>("layer_norm", x, weight, bias, options, where);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& options, Where where) {
  return normalize<false>("rms_norm", x, weight, bias, options, where);
}

}  // namespace tape::inline TAPE_ABI
