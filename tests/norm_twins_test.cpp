// Every fused norm with every option against a twin composed of simpler ops, in f32: the value and all gradients, from
// one row to more than one block of them.
#include <cmath>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

using In = const Inputs&;

constexpr double root_2 = 1.4142135623730951;

Tensor constant(const Shape& shape, double value) {
  return Tensor::full(shape, static_cast<real>(value));
}

// A column (R) repeated C times: a product with ones.
Tensor across(const Tensor& column, int64_t columns) {
  return matmul(reshape(column, {column.size(), 1}), constant({1, columns}, 1));
}

Tensor composed_norm(bool centered, In x, const NormOptions& o) {
  const int64_t columns = x[0].last();
  const Tensor centre = centered ? x[0] - across(mean_last(x[0]), columns) : x[0];
  const auto seen = static_cast<int64_t>(std::ceil(o.partial * static_cast<double>(columns)));
  const Tensor part = slice(centre, 1, 0, seen);
  const Tensor variance = mean_last(part * part);
  const Tensor eps = constant(variance.shape(), o.eps);
  const Tensor deviation = o.eps_place == EpsPlace::inside ? sqrt(variance + eps) : sqrt(variance) + eps;
  const Tensor gain = o.unit_offset ? x[1] + constant(x[1].shape(), 1) : x[1];
  return add_bias(multiply_rows(centre / across(deviation, columns), gain), x[2]);
}

Tensor composed_scale_norm(In x) {
  return multiply_rows(x[0] / across(sqrt(sum_last(x[0] * x[0])), x[0].last()), x[1]);
}

// α·x + s with α (1) and s (1).
Tensor affine(const Tensor& x, const Tensor& alpha, const Tensor& shift) {
  const Tensor column = reshape(multiply_rows(x, alpha), {x.size(), 1});
  return reshape(add_bias(column, shift), x.shape());
}

// Through Φ, of which gelu v = v·Φ(v): erf u = 2·Φ(√2·u) - 1.
Tensor composed_erf(const Tensor& u) {
  const Tensor v = scale(u, root_2);
  return scale(gelu(v) / v, 2) - constant(u.shape(), 1);
}

void check_twins(const Function& fused, const Function& composed, const Inputs& inputs) {
  const ValueAndGradients a = differentiate(fused, inputs);
  const ValueAndGradients b = differentiate(composed, inputs);
  // Where the true value is zero both have only rounding: the floor stands for the size of the numbers that go in.
  constexpr double floor = 0.1;
  CHECK(difference(a.value, b.value, floor) < 4e-6);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    INFO("gradient of input " << i);
    CHECK(difference(a.gradients[i], b.gradients[i], floor) < 2e-5);
  }
}

// Calls check(rows, columns) for small and large sizes, above the number of rows and columns of one block too.
template <class Check>
void over_sizes(Check&& check) {
  for (const int64_t rows : {1, 5, 100, 1000}) {
    for (const int64_t columns : {2, 7, 64, 300}) {
      INFO(rows << " x " << columns);
      check(rows, columns);
    }
  }
}

struct Options {
  const char* name;
  NormOptions options;
};

}  // namespace

TEST_CASE("layer_norm and rms_norm with every option equal their formulas in simpler ops", "[twins][norm]") {
  const Options both[] = {{"eps outside", {.eps = 0.1, .eps_place = EpsPlace::outside}},
                          {"unit offset", {.eps = 0.02, .unit_offset = true}},
                          {"both", {.eps = 0.1, .eps_place = EpsPlace::outside, .unit_offset = true}}};
  const Options rms_only[] = {
      {"partial", {.eps = 0.02, .partial = 0.3}},
      {"first column", {.eps = 0.02, .partial = 0.001}},
      {"partial, outside", {.eps = 0.1, .eps_place = EpsPlace::outside, .unit_offset = true, .partial = 0.3}}};
  over_sizes([&](int64_t rows, int64_t columns) {
    const Inputs inputs = {random_tensor({rows, columns}, 1, -2, 3), random_tensor({columns}, 2, 0.5, 2),
                           random_tensor({columns}, 3)};
    for (const Options& o : both) {
      INFO(o.name);
      check_twins([&](In x) { return layer_norm(x[0], x[1], x[2], o.options); },
                  [&](In x) { return composed_norm(true, x, o.options); }, inputs);
      check_twins([&](In x) { return rms_norm(x[0], x[1], x[2], o.options); },
                  [&](In x) { return composed_norm(false, x, o.options); }, inputs);
    }
    for (const Options& o : rms_only) {
      INFO(o.name);
      check_twins([&](In x) { return rms_norm(x[0], x[1], x[2], o.options); },
                  [&](In x) { return composed_norm(false, x, o.options); }, inputs);
    }
  });
}

TEST_CASE("scale_norm equals its formula in simpler ops", "[twins][norm]") {
  over_sizes([](int64_t rows, int64_t columns) {
    const Tensor x = random_tensor({rows, columns}, 4, -2, 3);
    const Tensor gain = random_tensor({1}, 5, 1, 3);
    check_twins([](In in) { return scale_norm(in[0], in[1], 1e-5); }, composed_scale_norm, {x, gain});
    check_twins([](In in) { return scale_norm(in[0], in[1], 200); },
                [](In in) { return multiply_rows(scale(in[0], 1.0 / 200), in[1]); }, {x, gain});
  });
}

TEST_CASE("dyt and derf equal their formulas in simpler ops", "[twins][norm]") {
  over_sizes([](int64_t rows, int64_t columns) {
    // Positive numbers: the twin of erf has no derivative at 0.
    const Inputs inputs = {random_tensor({rows, columns}, 6, 0.5, 3), Tensor::full({1}, 0.7f),
                           random_tensor({columns}, 7, 0.5, 2), random_tensor({columns}, 8), Tensor::full({1}, 0.3f)};
    check_twins([](In x) { return dyt(x[0], x[1], x[2], x[3]); },
                [](In x) { return add_bias(multiply_rows(tape::tanh(multiply_rows(x[0], x[1])), x[2]), x[3]); },
                {inputs.begin(), inputs.begin() + 4});
    check_twins([](In x) { return derf(x[0], x[1], x[4], x[2], x[3]); },
                [](In x) { return add_bias(multiply_rows(composed_erf(affine(x[0], x[1], x[4])), x[2]), x[3]); },
                inputs);
  });
}

TEST_CASE("dyt and derf without weight or bias equal those with ones and zeros", "[twins][norm]") {
  const Inputs x = {random_tensor({70, 33}, 9, -3, 3), Tensor::full({1}, 0.7f), Tensor::full({1}, 0.3f)};
  const Tensor one = Tensor::full({33}, 1);
  const Tensor zero = Tensor::zeros({33});
  for (const bool erf : {false, true}) {
    const auto norm = [=](const Tensor& w, const Tensor& b) {
      return [=](In in) { return erf ? derf(in[0], in[1], in[2], w, b) : dyt(in[0], in[1], w, b); };
    };
    const ValueAndGradients full = differentiate(norm(one, zero), x);
    for (const auto& [w, b] : {std::pair(Tensor(), Tensor()), std::pair(one, Tensor()), std::pair(Tensor(), zero)}) {
      const ValueAndGradients part = differentiate(norm(w, b), x);
      CHECK(difference(part.value, full.value) < 1e-6);
      for (std::size_t i = 0; i < 2; ++i) CHECK(difference(part.gradients[i], full.gradients[i]) < 1e-6);
    }
  }
}

}  // namespace tape::test
