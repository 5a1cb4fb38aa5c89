#include <tape/core/ops/norm.h>

#include <algorithm>
#include <cmath>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// What a row keeps for backward: x̂ = (x - mean)·r + shift. The mean is rounded to `real`; shift = -r·(what the rounding
// lost), so that rows whose mean is large beside their spread stay accurate. slope = d(1/r²)/d(s²) of the statistic s:
// 1, and (s + ε)/s with ε outside of the root.
struct RowStatistics {
  real mean = 0;
  real r = 0;
  real shift = 0;
  real slope = 1;

  real normalized(real x) const { return (x - mean) * r + shift; }
};

template <class T>
struct Deviations {
  T sum = 0;
  T squares = 0;
};

// Σ (x - mean) and Σ (x - mean)², in the precision of the mean.
template <bool centered, class T>
Deviations<T> deviations(const real* x, int64_t n, T mean) {
  T sum = 0;
  T squares = 0;
#pragma omp simd reduction(+ : sum, squares)
  for (int64_t i = 0; i < n; ++i) {
    const T d = static_cast<T>(x[i]) - mean;
    if constexpr (centered) sum += d;
    squares += d * d;
  }
  return {sum, squares};
}

// The mean that rows are taken around, what its rounding lost, and the mean square around the true one.
struct Moments {
  real mean = 0;
  real lost = 0;
  double variance = 0;
};

// In double: for rows whose squares overflow or vanish, and rows of (nearly) equal numbers, where the rounding of the
// mean outweighs the spread.
template <bool centered>
Moments careful_moments(const real* x, int64_t n) {
  const auto count = static_cast<double>(n);
  double mean = 0;
  if constexpr (centered) {
    for (int again = 0; again < 2; ++again) mean += deviations<true>(x, n, mean).sum / count;
  }
  Moments m;
  m.mean = static_cast<real>(mean);
  m.lost = static_cast<real>(mean - static_cast<double>(m.mean));
  m.variance = deviations<centered>(x, n, mean).squares / count;
  return m;
}

template <bool centered>
Moments moments(const real* x, int64_t n) {
  const auto count = static_cast<real>(n);
  Moments m;
  if constexpr (centered) m.mean = row_sum(x, n) / count;
  const Deviations<real> d = deviations<centered>(x, n, m.mean);
  m.lost = d.sum / count;
  if (!is_safe_square(d.squares) || m.lost * d.sum > d.squares / 128) return careful_moments<centered>(x, n);
  m.variance = static_cast<double>(d.squares / count) - static_cast<double>(m.lost) * static_cast<double>(m.lost);
  return m;
}

template <bool centered>
RowStatistics row_statistics(const real* x, int64_t n, double eps, EpsPlace place) {
  const Moments m = moments<centered>(x, n);
  const double variance = std::max(m.variance, 0.0);
  RowStatistics s;
  s.mean = m.mean;
  if (place == EpsPlace::inside) {
    s.r = static_cast<real>(inverse_or_zero(std::sqrt(variance + eps)));
  } else {
    const double deviation = std::sqrt(variance);
    s.r = static_cast<real>(inverse_or_zero(deviation + eps));
    // Capped where the deviation is so small that the term with this factor vanishes.
    s.slope = static_cast<real>(std::min((deviation + eps) * inverse_or_zero(deviation), 1e30));
  }
  s.shift = -m.lost * s.r;
  return s;
}

// y = x̂ ⊙ (w + offset) + b for one row. One function for the forward pass and for making y again, so that both give the
// same bits.
[[gnu::noinline]] void write_row(const real* x, const RowStatistics& s, const real* w, real offset, const real* b,
                                 int64_t columns, real* y) {
#pragma omp simd
  for (int64_t c = 0; c < columns; ++c) y[c] = s.normalized(x[c]) * (w ? w[c] + offset : 1) + (b ? b[c] : 0);
}

// Σ g (of LayerNorm alone) and Σ g⊙x̂ of one row, which adds dy⊙x̂ and dy to the sums of all rows.
struct GradientSums {
  real g = 0;
  real gx = 0;
};
template <bool centered>
GradientSums add_row(const real* x, const real* dy, const RowStatistics& s, const real* gain, int64_t columns, real* dw,
                     real* db) {
  real sum_g = 0;
  real sum_gx = 0;
#pragma omp simd reduction(+ : sum_g, sum_gx)
  for (int64_t c = 0; c < columns; ++c) {
    const real xhat = s.normalized(x[c]);
    const real g = gain[c] * dy[c];
    if constexpr (centered) sum_g += g;
    sum_gx += g * xhat;
    dw[c] += dy[c] * xhat;
    db[c] += dy[c];
  }
  return {sum_g, sum_gx};
}

// ⌈partial·columns⌉, at least 1. Rounding does not make 0.07·100 eight.
int64_t columns_seen(double partial, int64_t columns) {
  const double share = partial * static_cast<double>(columns);
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(share * (1 - 1e-12))));
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
//   s = √mean((x-μ)²)    r = 1/√(s² + ε), or 1/(s + ε); 0 where that is 1/0    saves x and, for each row, μ and r
//   g = w⊙dy    dx = r·(g - [LayerNorm] mean(g) - x̂·mean(g⊙x̂))    dw = Σ_rows dy⊙x̂    db = Σ_rows dy
// With ε outside of the root the last term of dx has the factor (s + ε)/s. A partial norm takes s from the first k
// columns: these alone have the last term, with Σ(g⊙x̂)/k.
// `centered` is the whole difference between the two norms.
template <bool centered>
Tensor normalize(const char* name, const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& o,
                 Where where) {
  const Op op(name, where);
  check(op, x, weight, bias, o);
  if (centered) op.require(o.partial == 1, "partial is for rms_norm: the mean is that of all columns");
  const int64_t rows = x.rows();
  const int64_t columns = x.last();
  const int64_t seen = columns_seen(o.partial, columns);
  const real offset = o.unit_offset ? 1 : 0;
  const Storage saved = Storage::of<RowStatistics>(rows);
  Tensor y = Tensor::uninitialized(x.shape());
  parallel_for(rows, row_grain(columns),
               [=, eps = o.eps, place = o.eps_place, in = x.data(), w = weight.data(), b = bias.data(),
                out = y.mutable_data(), stats = saved.as<RowStatistics>()](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   const real* xr = in + row * columns;
                   stats[row] = row_statistics<centered>(xr, seen, eps, place);
                   write_row(xr, stats[row], w, offset, b, columns, out + row * columns);
                 }
               });

  const Saved input(x);
  const auto backward = [input, weight, saved, rows, columns, seen, offset](Backward& back) {
    const Tensor kept = back.value(input);
    const real* in = kept.data();
    const real* dy = back.dy();
    // A row of gains, so that no loop below has to ask whether there are any.
    const Storage gains = Storage::of<real>(columns);
    real* const gain = gains.as<real>();
    for (int64_t c = 0; c < columns; ++c) gain[c] = weight ? weight.data()[c] + offset : 1;
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
        const GradientSums all = add_row<centered>(xr, dyr, s, gain, columns, sums, sums + columns);
        if (!wants_x) continue;
        const real mean_g = all.g / static_cast<real>(columns);
        const real mean_gx = s.slope * all.gx / static_cast<real>(seen);
        const GradView dxr{dx.data + row * columns, dx.accumulate};
        dxr.put(0, seen, [=](int64_t c) { return s.r * (gain[c] * dyr[c] - mean_g - s.normalized(xr[c]) * mean_gx); });
        dxr.put(seen, columns, [=](int64_t c) { return s.r * (gain[c] * dyr[c] - mean_g); });
      }
    });
    for (const int parameter : {1, 2}) {
      if (!back.wants(parameter)) continue;
      const GradView d = back.grad(parameter);
      const real* sums = totals.as<real>() + (parameter - 1) * columns;
      for (int64_t c = 0; c < columns; ++c) d.put(c, sums[c]);
    }
  };
  const auto remake = [input, weight, bias, saved, rows, columns, offset](Backward& back) {
    const Tensor kept = back.value(input);
    Tensor again = Tensor::uninitialized(kept.shape());
    parallel_for(rows, row_grain(columns),
                 [=, in = kept.data(), w = weight.data(), b = bias.data(), out = again.mutable_data(),
                  stats = saved.as<RowStatistics>()](int64_t begin, int64_t end) {
                   for (int64_t row = begin; row < end; ++row) {
                     write_row(in + row * columns, stats[row], w, offset, b, columns, out + row * columns);
                   }
                 });
    return again;
  };
  return op.record_cheap(y, {&x, &weight, &bias}, backward, remake);
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& options, Where where) {
  return normalize<true>("layer_norm", x, weight, bias, options, where);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& options, Where where) {
  return normalize<false>("rms_norm", x, weight, bias, options, where);
}

}  // namespace tape::inline TAPE_ABI
