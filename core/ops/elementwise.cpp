#include <tape/core/ops/elementwise.h>

#include <cmath>

#include <tape/core/ops/unary.h>
#include <tape/core/vector_math.h>

namespace tape::inline TAPE_ABI {

namespace {

void need_same_shape(const Op& op, const Tensor& a, const Tensor& b) {
  op.need({&a, &b});
  if (a.shape() != b.shape()) op.fail(str("shapes ", a.shape(), " and ", b.shape(), " must be equal"));
}

// out_i = f(i) for all elements.
template <class F>
void for_each(int64_t n, F f) {
  parallel_for(n, elementwise_grain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) f(i);
  });
}

// Adds factor · dy to the gradient of input i.
void give_scaled(Backward& b, int input, int64_t n, real factor) {
  const GradView dx = b.grad(input);
  const real* dy = b.dy();
  for_each(n, [=](int64_t i) { dx.put(i, factor * dy[i]); });
}

}  // namespace

// y = a + b     da = dy   db = dy
Tensor add(const Tensor& a, const Tensor& b, Where where) {
  const Op op("add", where);
  need_same_shape(op, a, b);
  Tensor y = Tensor::uninitialized(a.shape());
  real* out = y.mutable_data();
  for_each(y.size(), [out, p = a.data(), q = b.data()](int64_t i) { out[i] = p[i] + q[i]; });
  return op.record(y, {&a, &b}, [](Backward& back) {
    if (back.wants(0)) back.pass(0);
    if (back.wants(1)) back.pass(1);
  });
}

// y = a - b     da = dy   db = -dy
Tensor subtract(const Tensor& a, const Tensor& b, Where where) {
  const Op op("subtract", where);
  need_same_shape(op, a, b);
  Tensor y = Tensor::uninitialized(a.shape());
  real* out = y.mutable_data();
  for_each(y.size(), [out, p = a.data(), q = b.data()](int64_t i) { out[i] = p[i] - q[i]; });
  return op.record(y, {&a, &b}, [n = y.size()](Backward& back) {
    if (back.wants(0)) back.pass(0);
    if (back.wants(1)) give_scaled(back, 1, n, -1);
  });
}

// y = a·b     da = dy·b   db = dy·a
Tensor multiply(const Tensor& a, const Tensor& b, Where where) {
  const Op op("multiply", where);
  need_same_shape(op, a, b);
  Tensor y = Tensor::uninitialized(a.shape());
  real* out = y.mutable_data();
  for_each(y.size(), [out, p = a.data(), q = b.data()](int64_t i) { out[i] = p[i] * q[i]; });
  return op.record(y, {&a, &b}, [a, b](Backward& back) {
    const real* dy = back.dy();
    for (const int input : {0, 1}) {
      if (!back.wants(input)) continue;
      const GradView dx = back.grad(input);
      const real* other = (input == 0 ? b : a).data();
      for_each(a.size(), [=](int64_t i) { dx.put(i, dy[i] * other[i]); });
    }
  });
}

// y = a/b     da = dy/b   db = -dy·a/b²
Tensor divide(const Tensor& a, const Tensor& b, Where where) {
  const Op op("divide", where);
  need_same_shape(op, a, b);
  Tensor y = Tensor::uninitialized(a.shape());
  real* out = y.mutable_data();
  for_each(y.size(), [out, p = a.data(), q = b.data()](int64_t i) { out[i] = p[i] / q[i]; });
  return op.record(y, {&a, &b}, [a, b](Backward& back) {
    const real* dy = back.dy();
    const real* p = a.data();
    const real* q = b.data();
    if (back.wants(0)) {
      const GradView da = back.grad(0);
      for_each(a.size(), [=](int64_t i) { da.put(i, dy[i] / q[i]); });
    }
    if (back.wants(1)) {
      const GradView db = back.grad(1);
      for_each(a.size(), [=](int64_t i) { db.put(i, -dy[i] * p[i] / (q[i] * q[i])); });
    }
  });
}

// y = factor·x     dx = factor·dy
Tensor scale(const Tensor& x, double factor, Where where) {
  const Op op("scale", where);
  op.need({&x});
  const auto f = static_cast<real>(factor);
  Tensor y = Tensor::uninitialized(x.shape());
  real* out = y.mutable_data();
  for_each(y.size(), [f, out, in = x.data()](int64_t i) { out[i] = f * in[i]; });
  return op.record(y, {&x}, [f, n = y.size()](Backward& b) { give_scaled(b, 0, n, f); });
}

// z = α·x + y     dx = α·dz   dy = dz
Tensor axpy(double alpha, const Tensor& x, const Tensor& y, Where where) {
  const Op op("axpy", where);
  need_same_shape(op, x, y);
  const auto f = static_cast<real>(alpha);
  Tensor z = Tensor::uninitialized(x.shape());
  real* out = z.mutable_data();
  for_each(z.size(), [f, out, p = x.data(), q = y.data()](int64_t i) { out[i] = f * p[i] + q[i]; });
  return op.record(z, {&x, &y}, [f, n = z.size()](Backward& b) {
    if (b.wants(1)) b.pass(1);
    if (b.wants(0)) give_scaled(b, 0, n, f);
  });
}

// y = x + bias on each row     dx = dy   dbias = Σ_rows dy
Tensor add_bias(const Tensor& x, const Tensor& bias, Where where) {
  const Op op("add_bias", where);
  op.need({&x, &bias});
  const int64_t columns = x.last();
  if (bias.rank() != 1 || bias.size() != columns || x.rank() < 1) {
    op.fail(str("bias ", bias.leaf() ? bias.name() + " " : "", bias.shape(), " must be (", columns,
                "), the last size of x ", x.shape()));
  }
  Tensor y = Tensor::uninitialized(x.shape());
  real* out = y.mutable_data();
  parallel_for(x.rows(), 64, [=, in = x.data(), offset = bias.data()](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) out[r * columns + c] = in[r * columns + c] + offset[c];
    }
  });
  return op.record(y, {&x, &bias}, [rows = x.rows(), columns](Backward& b) {
    if (b.wants(1)) {
      const GradView dbias = b.grad(1);
      sum_rows(rows, columns, dbias.accumulate, dbias.data, [=, dy = b.dy()](int64_t begin, int64_t end, real* sums) {
        for (int64_t r = begin; r < end; ++r) {
#pragma omp simd
          for (int64_t c = 0; c < columns; ++c) sums[c] += dy[r * columns + c];
        }
      });
    }
    if (b.wants(0)) b.pass(0);
  });
}

// y = e^x     dx = dy·y
Tensor exp(const Tensor& x, Where where) {
  return unary<Saves::output>(
      "exp", x, where, [](real v) { return exp_(v); }, [](real y) { return y; });
}

// y = ln x     dx = dy/x
Tensor log(const Tensor& x, Where where) {
  return unary<Saves::input>(
      "log", x, where, [](real v) { return std::log(v); }, [](real v) { return 1 / v; });
}

// y = √x     dx = dy/(2y)
Tensor sqrt(const Tensor& x, Where where) {
  return unary<Saves::output>(
      "sqrt", x, where, [](real v) { return std::sqrt(v); }, [](real y) { return real{0.5} / y; });
}

}  // namespace tape::inline TAPE_ABI
