#include <tape/core/ops/pointwise_norm.h>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// A squashing function h and its slope h'(u); `slope` gets h(u) too, which tanh's is made of.
struct Tanh {
  static real value(real u) { return tanh_(u); }
  static real slope(real, real h) { return 1 - h * h; }
};
struct Erf {
  static real value(real u) { return erf_(u); }
  static real slope(real u, real) { return std::numbers::inv_sqrtpi_v<real> * 2 * exp_(-u * u); }
};

struct ScalarSums {
  real alpha = 0;
  real shift = 0;
};

// One row of backward: adds dy⊙h and dy to `sums`, hands each du to put(c, du), returns Σ du⊙x and Σ du. What is done
// with du is a parameter and no condition inside, so that the loop vectorises.
template <class H, class Put>
ScalarSums walk_back(const real* x, const real* dy, const real* w, real a, real s, int64_t columns, real* sums,
                     Put put) {
  real alpha = 0;
  real shift = 0;
#pragma omp simd reduction(+ : alpha, shift)
  for (int64_t c = 0; c < columns; ++c) {
    const real u = a * x[c] + s;
    const real h = H::value(u);
    const real du = (w ? w[c] : 1) * dy[c] * H::slope(u, h);
    alpha += du * x[c];
    shift += du;
    sums[c] += dy[c] * h;
    sums[columns + c] += dy[c];
    put(c, du);
  }
  return {alpha, shift};
}

// y = h(α·x + s) ⊙ w + b for one row. One function for the forward pass and for making y again, so that both give the
// same bits.
template <class H>
[[gnu::noinline]] void write_row(const real* x, const real* w, const real* b, real a, real s, int64_t columns,
                                 real* y) {
#pragma omp simd
  for (int64_t c = 0; c < columns; ++c) y[c] = H::value(a * x[c] + s) * (w ? w[c] : 1) + (b ? b[c] : 0);
}

void need_scalar(const Op& op, const char* what, const Tensor& t) {
  if (t.shape() != Shape{1}) op.fail(str(what, t.leaf() ? t.name() + " " : "", t.shape(), " must be (1)"));
}

// y = h ⊙ w + b,  h = h(u),  u = α·x + s      x (…, C)   α, s (1)   w, b (C) or absent      saves x
//   du = w⊙dy⊙h'(u)    dx = α·du    dα = Σ du⊙x    ds = Σ du    dw = Σ_rows dy⊙h    db = Σ_rows dy
template <class H>
Tensor squash(const char* name, const Tensor& x, const Tensor& alpha, const Tensor& shift, const Tensor& weight,
              const Tensor& bias, Where where) {
  const Op op(name, where);
  op.need({&x, &alpha});
  const int64_t columns = x.last();
  if (x.rank() < 1 || columns == 0) op.fail(str("x ", x.shape(), " has no elements along its last axis"));
  need_scalar(op, "alpha ", alpha);
  if (shift) need_scalar(op, "shift ", shift);
  for (const Tensor* p : {&weight, &bias}) {
    if (*p && p->shape() != Shape{columns}) {
      op.fail(str(p == &weight ? "weight " : "bias ", p->leaf() ? p->name() + " " : "", p->shape(), " must be (",
                  columns, "), the last size of x ", x.shape()));
    }
  }
  const int64_t rows = x.rows();
  const auto squashed = [=](const Tensor& of) {
    Tensor y = Tensor::uninitialized(of.shape());
    parallel_for(rows, row_grain(columns),
                 [=, a = alpha.data()[0], s = shift ? shift.data()[0] : real{0}, in = of.data(), w = weight.data(),
                  b = bias.data(), out = y.mutable_data()](int64_t begin, int64_t end) {
                   for (int64_t row = begin; row < end; ++row)
                     write_row<H>(in + row * columns, w, b, a, s, columns, out + row * columns);
                 });
    return y;
  };
  const Saved input(x);
  const auto backward = [=](Backward& back) {
    const Tensor kept = back.value(input);
    const real a = alpha.data()[0];
    const real s = shift ? shift.data()[0] : real{0};
    const real* in = kept.data();
    const real* w = weight.data();
    const real* dy = back.dy();
    const bool wants_x = back.wants(0);
    const GradView dx = wants_x ? back.grad(0) : GradView{};
    // Side by side: the sums for dw and db, then those for dα and ds.
    const Storage totals = Storage::of<real>(2 * columns + 2);
    sum_rows(rows, 2 * columns + 2, false, totals.as<real>(), [=](int64_t begin, int64_t end, real* sums) {
      for (int64_t row = begin; row < end; ++row) {
        const real* xr = in + row * columns;
        const real* dyr = dy + row * columns;
        real* out = wants_x ? dx.data + row * columns : nullptr;
        const auto walk = [=](auto put) { return walk_back<H>(xr, dyr, w, a, s, columns, sums, put); };
        const auto drop = [](int64_t, real) {};
        const auto set = [=](int64_t c, real du) { out[c] = a * du; };
        const auto add = [=](int64_t c, real du) { out[c] += a * du; };
        const ScalarSums d = !wants_x ? walk(drop) : dx.accumulate ? walk(add) : walk(set);
        sums[2 * columns] += d.alpha;
        sums[2 * columns + 1] += d.shift;
      }
    });
    const real* sums = totals.as<real>();
    if (back.wants(1)) back.grad(1).put(0, sums[2 * columns]);
    if (back.wants(2)) back.grad(2).put(0, sums[2 * columns + 1]);
    for (const int parameter : {3, 4}) {
      if (!back.wants(parameter)) continue;
      back.grad(parameter).put(0, columns, [of = sums + (parameter - 3) * columns](int64_t c) { return of[c]; });
    }
  };
  const auto remake = [=](Backward& back) { return squashed(back.value(input)); };
  return op.record_cheap(squashed(x), {&x, &alpha, &shift, &weight, &bias}, backward, remake);
}

}  // namespace

Tensor dyt(const Tensor& x, const Tensor& alpha, const Tensor& weight, const Tensor& bias, Where where) {
  return squash<Tanh>("dyt", x, alpha, {}, weight, bias, where);
}

Tensor derf(const Tensor& x, const Tensor& alpha, const Tensor& shift, const Tensor& weight, const Tensor& bias,
            Where where) {
  const Op op("derf", where);
  op.need({&shift});
  return squash<Erf>("derf", x, alpha, shift, weight, bias, where);
}

}  // namespace tape::inline TAPE_ABI
