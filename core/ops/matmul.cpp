#include <tape/core/ops/matmul.h>

#include <algorithm>
#include <optional>

#include <tape/core/parallel.h>
#include <tape/core/product.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// Matrix number i of a batch, the last two axes of x.
ConstMatrix matrix(const real* data, const Shape& shape, int64_t i) {
  return {data + i * shape[-2] * shape[-1], shape[-2], shape[-1]};
}
MutableMatrix matrix(real* data, const Shape& shape, int64_t i) {
  return {data + i * shape[-2] * shape[-1], shape[-2], shape[-1]};
}

Transpose flip(Transpose t) {
  return t == Transpose::yes ? Transpose::no : Transpose::yes;
}

// C_i = op(A_i)·op(B_i) + beta·C_i for each product of a batch: tiles of one product, or one product a task.
void batched(int64_t batch, Transpose ta, Transpose tb, const real* a, const Shape& sa, const real* b, const Shape& sb,
             real beta, real* c, const Shape& sc) {
  if (batch == 1) {
    gemm(ta, tb, 1, matrix(a, sa, 0), matrix(b, sb, 0), beta, matrix(c, sc, 0));
    return;
  }
  parallel_tasks(batch, 0, [&](int64_t i, real*) {
    gemm_serial(ta, tb, 1, matrix(a, sa, i), matrix(b, sb, i), beta, matrix(c, sc, i));
  });
}

}  // namespace

// C = op(A)·op(B)      A' = op(A), B' = op(B):  dA' = dC·B'ᵀ   dB' = A'ᵀ·dC      transposed back where op transposes
Tensor matmul(const Tensor& a, const Tensor& b, Transpose ta, Transpose tb, Where where) {
  const Op op("matmul", where);
  op.need({&a, &b});
  const Shape sa = a.shape();
  const Shape sb = b.shape();
  if (sa.rank() < 2 || sa.rank() != sb.rank() ||
      !std::ranges::equal(sa.sizes().first(static_cast<std::size_t>(sa.rank() - 2)),
                          sb.sizes().first(static_cast<std::size_t>(sb.rank() - 2)))) {
    op.fail(str("shapes ", sa, " and ", sb, " must have the same rank of at least 2 and the same leading sizes"));
  }
  const int64_t m = sa[ta == Transpose::yes ? -1 : -2];
  const int64_t k = sa[ta == Transpose::yes ? -2 : -1];
  const int64_t n = sb[tb == Transpose::yes ? -2 : -1];
  if (k != sb[tb == Transpose::yes ? -1 : -2]) {
    op.fail(str("a ", sa, ta == Transpose::yes ? " transposed" : "", " and b ", sb,
                tb == Transpose::yes ? " transposed" : "", " do not fit: the summed sizes must be equal"));
  }
  const Shape sc = sa.with(-2, m).with(-1, n);
  int64_t batch = 1;
  for (const int64_t size : sa.sizes().first(static_cast<std::size_t>(sa.rank() - 2))) batch *= size;
  Tensor c = Tensor::uninitialized(sc);
  batched(batch, ta, tb, a.data(), sa, b.data(), sb, 0, c.mutable_data(), sc);
  const Cost cost{.flops = 2.0 * static_cast<double>(sc.size()) * static_cast<double>(k)};
  return op.record(
      c, {&a, &b},
      [a, b, ta, tb, sc, batch](Backward& back) {
        if (back.wants(0)) {
          const GradView da = back.grad(0);
          if (ta == Transpose::no) {
            batched(batch, Transpose::no, flip(tb), back.dy(), sc, b.data(), b.shape(), da.beta(), da.data, a.shape());
          } else {
            batched(batch, tb, Transpose::yes, b.data(), b.shape(), back.dy(), sc, da.beta(), da.data, a.shape());
          }
        }
        if (back.wants(1)) {
          const GradView db = back.grad(1);
          if (tb == Transpose::no) {
            batched(batch, flip(ta), Transpose::no, a.data(), a.shape(), back.dy(), sc, db.beta(), db.data, b.shape());
          } else {
            batched(batch, Transpose::yes, ta, back.dy(), sc, a.data(), a.shape(), db.beta(), db.data, b.shape());
          }
        }
      },
      cost);
}

// y = x·Wᵀ + b      x (R, I)   W (O, I)   b (O)   y (R, O)      dx = dy·W   dW = dyᵀ·x   db = Σ_rows dy
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Where where) {
  const Op op("linear", where);
  op.need({&x, &weight});
  if (weight.rank() != 2 || x.rank() < 1 || x.last() != weight.shape()[1]) {
    op.fail(str("x ", x.shape(), " does not fit weight ", weight.leaf() ? weight.name() + " " : "", weight.shape(),
                ": weight must be (out, in) and the last size of x must equal in",
                weight.rank() == 2 ? str(" = ", weight.shape()[1]) : ""));
  }
  const int64_t rows = x.rows();
  const int64_t in = weight.shape()[1];
  const int64_t out = weight.shape()[0];
  if (bias && (bias.rank() != 1 || bias.size() != out)) {
    op.fail(str("bias ", bias.leaf() ? bias.name() + " " : "", bias.shape(), " must be (", out, ") beside weight ",
                weight.shape()));
  }
  Tensor y = Tensor::uninitialized(x.shape().with(-1, out));
  const Precision precision = weight.leaf() ? weight.leaf()->precision : Precision::f32;
  const Factor left(x, precision);
  const Factor right(weight, precision);
  multiply(Transpose::no, Transpose::yes, left, right, 0, {y.mutable_data(), rows, out}, bias.data());
  const Cost cost{.flops = 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out)};
  return op.record(
      y, {&x, &weight, &bias},
      [x = precision == Precision::f32 ? Saved(x) : Saved(),
       rounded = precision == Precision::f32 ? std::optional<Factor>() : left, right, rows, out](Backward& b) {
        const Factor dy(b.dy_tensor(), right.precision());
        if (b.wants(1)) {  // first: then x, where it was made again, is gone before its gradient comes
          const Factor input = rounded ? *rounded : Factor(b.value(x), Precision::f32);
          const GradView dw = b.grad(1);
          multiply(Transpose::yes, Transpose::no, dy, input, dw.beta(), {dw.data, out, input.columns()});
        }
        if (b.wants(0)) {
          const GradView dx = b.grad(0);
          multiply(Transpose::no, Transpose::no, dy, right, dx.beta(), {dx.data, rows, right.columns()});
        }
        if (b.wants(2)) {
          const GradView db = b.grad(2);
          const real* dy_data = b.dy();
          sum_rows(rows, out, db.accumulate, db.data, [=](int64_t begin, int64_t end, real* sums) {
            for (int64_t r = begin; r < end; ++r) {
#pragma omp simd
              for (int64_t c = 0; c < out; ++c) sums[c] += dy_data[r * out + c];
            }
          });
        }
      },
      cost);
}

}  // namespace tape::inline TAPE_ABI
