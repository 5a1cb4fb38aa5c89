#include <tape/core/ops/norm.h>

#include <algorithm>
#include <array>
#include <cmath>

#include <tape/core/ops/row_statistics.h>
#include <tape/core/ops/row_walk.h>
#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// The gain and bias that follow a row's x̂, each absent or `columns` numbers.
struct Affine {
  const real* w;
  const real* b;
  real offset;
  int64_t columns;
};

// y = x̂ ⊙ (w + offset) + b for one row. One function for the forward pass and for making y again, so that both give the
// same bits.
template <bool fetches>
[[gnu::noinline]] void write_row(const real* x, const RowStatistics& s, const Affine& affine, real* y) {
  walk_row(0, affine.columns, [=, ahead = fetch_distance(affine.columns)](auto at) {
    if constexpr (fetches) at.fetch(x, ahead);
    auto value = s.normalized(at(x));
    if (affine.w) value *= at(affine.w) + affine.offset;
    if (affine.b) value += at(affine.b);
    at.set(y, value);
  });
}

using WriteRow = decltype(write_row<false>);
WriteRow* row_writer(const Tensor& x) {
  return past_caches(x.size()) ? write_row<true> : write_row<false>;
}

// What backward reads, `seen` as in columns_seen().
struct BackwardRows {
  const real* x;
  const real* dy;
  const RowStatistics* statistics;
  const real* gain;
  int64_t columns;
  int64_t seen;
};

// Σ g⊙x̂ of one row, and of LayerNorm Σ g; adds dy⊙x̂ and dy to the sums of all rows.
template <bool centered>
[[gnu::always_inline]] inline auto gradient_sums(const real* x, const real* dy, const RowStatistics& s,
                                                 const real* gain, int64_t columns, real* dw, real* db) {
  constexpr std::size_t count = centered ? 2 : 1;
  return row_sums<count>(columns, [=](auto at) {
    const auto xhat = s.normalized(at(x));
    const auto d = at(dy);
    const auto g = at(gain) * d;
    at.add(dw, d * xhat);
    at.add(db, d);
    if constexpr (centered) {
      return std::array{g * xhat, g};
    } else {
      return std::array{g * xhat};
    }
  });
}

// One walk over rows begin…end gives the sums for dw and db, side by side in `sums`, and hands dx to put(at, row, dx).
template <bool centered, bool fetches, class Put>
void walk_back(const BackwardRows& rows, int64_t begin, int64_t end, real* sums, Put put) {
  const real* gain = rows.gain;
  const int64_t columns = rows.columns;
  const int64_t seen = rows.seen;
  const int64_t ahead = fetch_distance(columns);
  for (int64_t row = begin; row < end; ++row) {
    const RowStatistics s = rows.statistics[row];
    const real* x = rows.x + row * columns;
    const real* dy = rows.dy + row * columns;
    const auto all = gradient_sums<centered>(x, dy, s, gain, columns, sums, sums + columns);
    const real mean_gx = s.slope * all.front() / static_cast<real>(seen);
    const real mean_g = centered ? all.back() / static_cast<real>(columns) : 0;
    walk_row(0, seen, [=](auto at) {
      if constexpr (fetches) {
        at.fetch(x, ahead);
        at.fetch(dy, ahead);
      }
      put(at, row, s.r * (at(gain) * at(dy) - mean_g - s.normalized(at(x)) * mean_gx));
    });
    walk_row(seen, columns, [=](auto at) { put(at, row, s.r * (at(gain) * at(dy) - mean_g)); });
  }
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
  const Affine affine{weight.data(), bias.data(), o.unit_offset ? real{1} : real{0}, columns};
  const Storage saved = Storage::of<RowStatistics>(rows);
  Tensor y = Tensor::uninitialized(x.shape());
  parallel_for(rows, row_grain(columns),
               [=, eps = o.eps, place = o.eps_place, in = x.data(), out = y.mutable_data(), write = row_writer(x),
                stats = saved.as<RowStatistics>()](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   const int64_t first = row * columns;
                   stats[row] = row_statistics<centered>(in + first, seen, eps, place);
                   write(in + first, stats[row], affine, out + first);
                 }
               });

  const Saved input(x);
  const auto backward = [input, weight, saved, rows, columns, seen, offset = affine.offset](Backward& back) {
    const Tensor kept = back.value(input);
    // A row of gains, so that no loop has to ask whether there are any.
    const Storage gains = Storage::of<real>(columns);
    real* const gain = gains.as<real>();
    for (int64_t c = 0; c < columns; ++c) gain[c] = weight ? weight.data()[c] + offset : 1;
    const BackwardRows all{kept.data(), back.dy(), saved.as<RowStatistics>(), gain, columns, seen};
    const bool wants_x = back.wants(0);
    const GradView dx = wants_x ? back.grad(0) : GradView{};
    const bool streams =
        past_caches(rows * columns) && !dx.accumulate && seen == columns && is_aligned(dx.data, columns);
    const Storage totals = Storage::of<real>(2 * columns);
    sum_rows(rows, 2 * columns, false, totals.as<real>(), [=, out = dx.data](int64_t begin, int64_t end, real* sums) {
      if (!wants_x) {
        walk_back<centered, false>(all, begin, end, sums, [](auto, int64_t, auto) {});
      } else if (streams) {
        walk_back<centered, true>(all, begin, end, sums,
                                  [=](auto at, int64_t row, auto d) { at.stream(out + row * columns, d); });
        end_of_streams();
      } else if (dx.accumulate) {
        walk_back<centered, false>(all, begin, end, sums,
                                   [=](auto at, int64_t row, auto d) { at.add(out + row * columns, d); });
      } else {
        walk_back<centered, false>(all, begin, end, sums,
                                   [=](auto at, int64_t row, auto d) { at.set(out + row * columns, d); });
      }
    });
    for (const int parameter : {1, 2}) {
      if (!back.wants(parameter)) continue;
      const GradView d = back.grad(parameter);
      const real* sums = totals.as<real>() + (parameter - 1) * columns;
      for (int64_t c = 0; c < columns; ++c) d.put(c, sums[c]);
    }
  };
  const auto remake = [input, weight, bias, saved, rows, columns, affine](Backward& back) {
    const Tensor kept = back.value(input);
    Tensor again = Tensor::uninitialized(kept.shape());
    parallel_for(rows, row_grain(columns),
                 [=, in = kept.data(), out = again.mutable_data(), write = row_writer(kept),
                  stats = saved.as<RowStatistics>()](int64_t begin, int64_t end) {
                   for (int64_t row = begin; row < end; ++row)
                     write(in + row * columns, stats[row], affine, out + row * columns);
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
