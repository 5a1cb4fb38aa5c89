#include <tape/core/ops/matmul.h>

#include <algorithm>

#include <tape/core/parallel.h>
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

}  // namespace tape::inline TAPE_ABI
