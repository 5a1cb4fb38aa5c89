#include <tape/core/ops/activation.h>

#include <tape/core/ops/unary.h>
#include <tape/core/vector_math.h>

namespace tape::inline TAPE_ABI {

namespace {

// The tanh form of GELU: y = x/2·(1 + t), t = tanh u, u = c·(x + a·x³).
constexpr real gelu_c = static_cast<real>(0.79788456080286535588);  // √(2/π)
constexpr real gelu_a = static_cast<real>(0.044715);

real gelu_tanh_of(real x) {
  const real t = tanh_(gelu_c * (x + gelu_a * x * x * x));
  return real{0.5} * x * (1 + t);
}

// dy/dx = (1 + t)/2 + x/2·(1 - t²)·du/dx,  du/dx = c·(1 + 3a·x²)
real gelu_tanh_slope(real x) {
  const real t = tanh_(gelu_c * (x + gelu_a * x * x * x));
  return real{0.5} * (1 + t) + real{0.5} * x * (1 - t * t) * gelu_c * (1 + 3 * gelu_a * x * x);
}

real relu_of(real x) {  // NaN passes through
  return x < 0 ? real{0} : x;
}
real relu_slope(real x) {
  return x > 0 ? real{1} : real{0};
}

// y = x·Φ(x)     dy/dx = Φ(x) + x·φ(x)
real gelu_of(real x) {
  return x * normal_(x).cdf;
}
real gelu_slope(real x) {
  const Normal<real> n = normal_(x);
  return n.cdf + x * n.density;
}

// y = x·σ(x)     dy/dx = σ·(1 + x·(1 - σ))
real silu_of(real x) {
  return x * sigmoid_(x);
}
real silu_slope(real x) {
  const real s = sigmoid_(x);
  return s * (1 + x * (1 - s));
}

// dy/dx = 2·max(x, 0)
real squared_relu_of(real x) {
  return x < 0 ? real{0} : x * x;
}
real squared_relu_slope(real x) {
  return x < 0 ? real{0} : 2 * x;
}

template <real (*f)(real), real (*slope)(real)>
constexpr Pointwise pointwise_of(const char* name) {
  return {name,
          [](const real* x, real* y, int64_t n) {
#pragma omp simd
            for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
          },
          [](const real* dy, const real* x, real* dx, int64_t n) {
#pragma omp simd
            for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * slope(x[i]);
          },
          [](real* x, real* y, int64_t n) {
#pragma omp simd
            for (int64_t i = 0; i < n; ++i) {
              const real value = f(x[i]);  // both before a store, so that what they share is computed once
              const real derivative = slope(x[i]);
              y[i] = value;
              x[i] = derivative;
            }
          }};
}

template <class F>
Tensor gate_with(const Tensor& gate, const Tensor& up, F f) {
  Tensor y = Tensor::uninitialized(gate.shape());
  parallel_for(gate.size(), elementwise_grain,
               [=, g = gate.data(), u = up.data(), out = y.mutable_data()](int64_t begin, int64_t end) {
#pragma omp simd
                 for (int64_t i = begin; i < end; ++i) out[i] = f(g[i]) * u[i];
               });
  return y;
}

// y = f(g) ⊙ u     dg = dy ⊙ u ⊙ f'(g)   du = dy ⊙ f(g)      saves g and u; both gradients come from one walk
template <class F, class Slope>
Tensor gated(const char* name, const Tensor& gate, const Tensor& up, Where where, F f, Slope slope) {
  const Op op(name, where);
  op.need({&gate, &up});
  if (gate.shape() != up.shape()) op.fail(str("gate ", gate.shape(), " and up ", up.shape(), " must have one shape"));
  const int64_t size = gate.size();
  const auto backward = [gate, up, size, f, slope](Backward& b) {
    Storage dgate = Storage::of<real>(size);
    Storage dup = b.room_of_dy();
    parallel_for(size, elementwise_grain,
                 [=, g = gate.data(), u = up.data(), dy = b.dy(), dg = dgate.as<real>(), du = dup.as<real>()](
                     int64_t begin, int64_t end) {
#pragma omp simd
                   for (int64_t i = begin; i < end; ++i) {
                     const real value = f(g[i]);  // both before a store, so that what they share is computed once
                     const real derivative = slope(g[i]);
                     const real d = dy[i];
                     dg[i] = d * u[i] * derivative;
                     du[i] = d * value;
                   }
                 });
    if (b.wants(0)) b.give(0, std::move(dgate));
    if (b.wants(1)) b.give(1, std::move(dup));
  };
  return op.record_cheap(gate_with(gate, up, f), {&gate, &up}, backward,
                         [gate, up, f](Backward&) { return gate_with(gate, up, f); });
}

}  // namespace

namespace pointwise {
constexpr Pointwise relu = pointwise_of<relu_of, relu_slope>("relu");
constexpr Pointwise squared_relu = pointwise_of<squared_relu_of, squared_relu_slope>("squared_relu");
constexpr Pointwise gelu = pointwise_of<gelu_of, gelu_slope>("gelu");
constexpr Pointwise gelu_tanh = pointwise_of<gelu_tanh_of, gelu_tanh_slope>("gelu_tanh");
constexpr Pointwise silu = pointwise_of<silu_of, silu_slope>("silu");
}  // namespace pointwise

Tensor Pointwise::map(const Tensor& x) const {
  Tensor y = Tensor::uninitialized(x.shape());
  parallel_for(x.size(), elementwise_grain,
               [f = value, in = x.data(), out = y.mutable_data()](int64_t begin, int64_t end) {
                 f(in + begin, out + begin, end - begin);
               });
  return y;
}

Tensor Pointwise::operator()(const Tensor& x, Where where) const {
  const Op op(name, where);
  op.need({&x});
  const Saved saved(x);
  return op.record_cheap(
      map(x), {&x},
      [saved, f = gradient](Backward& b) {
        const Tensor of = b.value(saved);
        Storage room = b.room_of_dy();
        parallel_for(of.size(), elementwise_grain,
                     [=, dy = b.dy(), in = of.data(), dx = room.as<real>()](int64_t begin, int64_t end) {
                       f(dy + begin, in + begin, dx + begin, end - begin);
                     });
        b.give(0, std::move(room));
      },
      [saved, this](Backward& b) { return map(b.value(saved)); });
}

Tensor relu(const Tensor& x, Where where) {
  return pointwise::relu(x, where);
}
Tensor squared_relu(const Tensor& x, Where where) {
  return pointwise::squared_relu(x, where);
}
Tensor gelu(const Tensor& x, Where where) {
  return pointwise::gelu(x, where);
}
Tensor gelu_tanh(const Tensor& x, Where where) {
  return pointwise::gelu_tanh(x, where);
}
Tensor silu(const Tensor& x, Where where) {
  return pointwise::silu(x, where);
}

// y = σ(x)     dy/dx = y·(1 - y)
Tensor sigmoid(const Tensor& x, Where where) {
  return unary<Saves::output>(
      "sigmoid", x, where, [](real v) { return sigmoid_(v); }, [](real y) { return y * (1 - y); });
}

// y = tanh x     dy/dx = 1 - y²
Tensor tanh(const Tensor& x, Where where) {
  return unary<Saves::output>(
      "tanh", x, where, [](real v) { return tanh_(v); }, [](real y) { return 1 - y * y; });
}

Tensor swiglu(const Tensor& gate, const Tensor& up, Where where) {
  return gated(
      "swiglu", gate, up, where, [](real v) { return silu_of(v); }, [](real v) { return silu_slope(v); });
}

Tensor geglu(const Tensor& gate, const Tensor& up, Where where) {
  return gated(
      "geglu", gate, up, where, [](real v) { return gelu_of(v); }, [](real v) { return gelu_slope(v); });
}

Tensor reglu(const Tensor& gate, const Tensor& up, Where where) {
  return gated(
      "reglu", gate, up, where, [](real v) { return relu_of(v); }, [](real v) { return relu_slope(v); });
}

}  // namespace tape::inline TAPE_ABI
