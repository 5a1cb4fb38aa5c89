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

// y = h ⊙ w + b,  h = h(u),  u = α·x + s      x (…, C)   α, s (1)   w, b (C) or absent      saves x
//   du = w⊙dy⊙h'(u)    dx = α·du    dα = Σ du⊙x    ds = Σ du    dw = Σ_rows dy⊙h    db = Σ_rows dy
template <class H>
Tensor squash(const char* name, const Tensor& x, const Tensor& alpha, const Tensor& shift, const Tensor& weight,
              const Tensor& bias, Where where) {
  const Op op(name, where);
  op.need({&x, &alpha});
  const int64_t columns = x.last();
  if (x.rank() < 1 || columns == 0) op.fail(str("x ", x.shape(), " has no elements along its last axis"));
  if (alpha.shape() != Shape{1}) op.fail(str("alpha ", alpha.shape(), " must be (1)"));
  if (shift && shift.shape() != Shape{1}) op.fail(str("shift ", shift.shape(), " must be (1)"));
  for (const Tensor* p : {&weight, &bias}) {
    if (*p && p->shape() != Shape{columns}) {
      op.fail(str(p == &weight ? "weight " : "bias ", p->shape(), " must be (", columns, "), the last size of x ",
                  x.shape()));
    }
  }
  const int64_t rows = x.rows();
  Tensor y = Tensor::uninitialized(x.shape());
  parallel_for(rows, row_grain(columns),
               [=, a = alpha.data()[0], s = shift ? shift.data()[0] : real{0}, in = x.data(), w = weight.data(),
                b = bias.data(), out = y.mutable_data()](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   const real* xr = in + row * columns;
                   real* yr = out + row * columns;
#pragma omp simd
                   for (int64_t c = 0; c < columns; ++c)
                     yr[c] = H::value(a * xr[c] + s) * (w ? w[c] : 1) + (b ? b[c] : 0);
                 }
               });
  return op.record(y, {&x, &alpha, &shift, &weight, &bias}, [=](Backward& back) {
    const real a = alpha.data()[0];
    const real s = shift ? shift.data()[0] : real{0};
    const real* in = x.data();
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
        real d_alpha = 0;
        real d_shift = 0;
#pragma omp simd reduction(+ : d_alpha, d_shift)
        for (int64_t c = 0; c < columns; ++c) {
          const real u = a * xr[c] + s;
          const real h = H::value(u);
          const real du = (w ? w[c] : 1) * dyr[c] * H::slope(u, h);
          d_alpha += du * xr[c];
          d_shift += du;
          sums[c] += dyr[c] * h;
          sums[columns + c] += dyr[c];
          if (wants_x) dx.put(row * columns + c, a * du);
        }
        sums[2 * columns] += d_alpha;
        sums[2 * columns + 1] += d_shift;
      }
    });
    const real* sums = totals.as<real>();
    if (back.wants(1)) back.grad(1).put(0, sums[2 * columns]);
    if (back.wants(2)) back.grad(2).put(0, sums[2 * columns + 1]);
    for (const int input : {3, 4}) {
      if (!back.wants(input)) continue;
      back.grad(input).put(0, columns, [of = sums + (input - 3) * columns](int64_t c) { return of[c]; });
    }
  });
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
