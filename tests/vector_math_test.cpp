// The exponential functions of f32 against the standard library in double, over floats of every exponent.
#include <tape/core/vector_math.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <tape/core/ops/activation.h>
#include <tape/core/tensor.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// Every 499th float, of both signs, up to `largest`.
template <class Visit>
void sweep(float largest, Visit&& visit) {
  for (uint32_t bits = 0; bits <= std::bit_cast<uint32_t>(largest); bits += 499) {
    visit(std::bit_cast<float>(bits));
    visit(-std::bit_cast<float>(bits));
  }
}

// Largest |f(x) - exact(x)| / |exact(x)| where |exact(x)| > smallest.
template <class F, class Exact>
double relative_error(float largest, double smallest, F&& f, Exact&& exact) {
  double worst = 0;
  sweep(largest, [&](float x) {
    const double want = exact(static_cast<double>(x));
    const double error = std::abs(static_cast<double>(f(x)) - want) / std::abs(want);
    if (std::abs(want) > smallest && !(error <= worst)) worst = error;
  });
  return worst;
}

double normal_density(double x) {
  return std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI);
}
double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

// Value and derivative of an activation op over the sweep, as one tensor.
ValueAndGradients over_sweep(Tensor (*op)(const Tensor&, Where), const Tensor& x) {
  return differentiate([&](const Inputs& in) { return op(in[0], Where::here()); }, {x}, Tensor::full(x.shape(), 1));
}

Tensor sweep_tensor(float largest) {
  std::vector<float> values;
  sweep(largest, [&](float x) {
    if (std::abs(x) > 1e-12f) values.push_back(x);
  });
  return Tensor::from({static_cast<int64_t>(values.size())}, values);
}

// Largest |a - exact(x)| / scale(x).
template <class Exact, class Scale>
double error_over(const Tensor& x, const Tensor& a, Exact&& exact, Scale&& scale) {
  double worst = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    const double v = x.data()[i];
    const double error = std::abs(a.data()[i] - exact(v)) / scale(v);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

}  // namespace

TEST_CASE("exp_ is accurate to 1.5e-7 and ends in 0, infinity and NaN", "[vector_math]") {
  CHECK(relative_error(
            87.3f, 0, [](float x) { return exp_(x); }, [](double x) { return std::exp(x); }) < 1.5e-7);
  CHECK(exp_(0.0f) == 1.0f);
  CHECK(std::abs(exp_(88.7f) / std::exp(static_cast<double>(88.7f)) - 1) < 1.5e-7);
  CHECK(exp_(88.73f) == infinity);
  CHECK(exp_(infinity) == infinity);
  CHECK(exp_(-87.34f) == 0.0f);
  CHECK(exp_(-1e30f) == 0.0f);
  CHECK(exp_(-infinity) == 0.0f);
}

TEST_CASE("erf_ is accurate to 3e-7, odd, and bounded by 1", "[vector_math]") {
  CHECK(relative_error(
            30.0f, 1e-37, [](float x) { return erf_(x); }, [](double x) { return std::erf(x); }) < 3e-7);
  bool odd = true;
  bool bounded = true;
  for (float x = 0; x < 6; x += 0.00037f) {
    odd = odd && erf_(-x) == -erf_(x);
    bounded = bounded && std::abs(erf_(x)) <= 1;
  }
  CHECK(odd);
  CHECK(bounded);
  CHECK(erf_(infinity) == 1.0f);
  CHECK(erf_(-infinity) == -1.0f);
}

TEST_CASE("tanh_ is accurate to 2.5e-7, odd, and bounded by 1", "[vector_math]") {
  CHECK(relative_error(
            30.0f, 1e-37, [](float x) { return tanh_(x); }, [](double x) { return std::tanh(x); }) < 2.5e-7);
  bool odd = true;
  bool bounded = true;
  sweep(infinity, [&](float x) {
    odd = odd && tanh_(-x) == -tanh_(x);
    bounded = bounded && std::abs(tanh_(x)) <= 1;
  });
  CHECK(odd);
  CHECK(bounded);
  CHECK(tanh_(infinity) == 1.0f);
  CHECK(tanh_(-infinity) == -1.0f);
}

TEST_CASE("sigmoid_ is accurate to 3e-7", "[vector_math]") {
  const auto exact = [](double x) { return 1 / (1 + std::exp(-x)); };
  CHECK(relative_error(
            87.0f, 0, [](float x) { return sigmoid_(x); }, exact) < 3e-7);
  CHECK(sigmoid_(0.0f) == 0.5f);
  CHECK(sigmoid_(infinity) == 1.0f);
  CHECK(sigmoid_(-infinity) == 0.0f);
}

TEST_CASE("normal_ is accurate to 5e-7 + 1e-7·x² in density and distribution", "[vector_math]") {
  const Tensor x = sweep_tensor(11.0f);
  Tensor cdf = Tensor::uninitialized(x.shape());
  Tensor density = Tensor::uninitialized(x.shape());
  for (int64_t i = 0; i < x.size(); ++i) {
    cdf.mutable_data()[i] = normal_(x.data()[i]).cdf;
    density.mutable_data()[i] = normal_(x.data()[i]).density;
  }
  const auto bound = [](double v) { return 5e-7 + 1e-7 * v * v; };
  CHECK(error_over(x, cdf, normal_cdf, [&](double v) { return bound(v) * normal_cdf(v); }) < 1);
  CHECK(error_over(x, density, normal_density, [&](double v) { return bound(v) * normal_density(v); }) < 1);
  CHECK(normal_(infinity).cdf == 1.0f);
  CHECK(normal_(-infinity).cdf == 0.0f);
}

TEST_CASE("NaN of any kind stays NaN", "[vector_math]") {
  for (const uint32_t payload : {0x7fc00000u, 0xffc00000u, 0x7fc00001u, 0x7fc001ffu, 0xffffffffu, 0x7fdeadbeu}) {
    const auto x = std::bit_cast<float>(payload);
    INFO("NaN with bits " << payload);
    CHECK(std::isnan(exp_(x)));
    CHECK(std::isnan(tanh_(x)));
    CHECK(std::isnan(sigmoid_(x)));
    CHECK(std::isnan(normal_(x).cdf));
    CHECK(std::isnan(normal_(x).density));
  }
}

TEST_CASE("gelu and its derivative are as accurate as the terms they are made of", "[vector_math]") {
  const Tensor x = sweep_tensor(11.0f);
  const ValueAndGradients y = over_sweep(gelu, x);
  const auto value = [](double v) { return v * normal_cdf(v); };
  const auto slope = [](double v) { return normal_cdf(v) + v * normal_density(v); };
  const auto bound = [](double v) { return 6e-7 + 1e-7 * v * v; };
  CHECK(error_over(x, y.value, value, [&](double v) { return bound(v) * std::abs(value(v)); }) < 1);
  CHECK(error_over(x, y.gradients[0], slope,
                   [&](double v) { return bound(v) * (normal_cdf(v) + std::abs(v) * normal_density(v)); }) < 1);
}

TEST_CASE("gelu_tanh and its derivative are accurate to a few units in the last place of x and 1", "[vector_math]") {
  const Tensor x = sweep_tensor(12.0f);
  const ValueAndGradients y = over_sweep(gelu_tanh, x);
  const double c = std::sqrt(2 / M_PI);
  const auto t = [=](double v) { return std::tanh(c * (v + 0.044715 * v * v * v)); };
  const auto slope = [=](double v) {
    return 0.5 * (1 + t(v)) + 0.5 * v * (1 - t(v) * t(v)) * c * (1 + 3 * 0.044715 * v * v);
  };
  CHECK(error_over(
            x, y.value, [=](double v) { return 0.5 * v * (1 + t(v)); }, [](double v) { return std::abs(v); }) < 3e-7);
  CHECK(error_over(x, y.gradients[0], slope, [](double v) { return 1 + v * v; }) < 1e-6);
}

TEST_CASE("silu, sigmoid and tanh have accurate values and derivatives", "[vector_math]") {
  const Tensor x = sweep_tensor(60.0f);
  const auto s = [](double v) { return 1 / (1 + std::exp(-v)); };
  const ValueAndGradients a = over_sweep(silu, x);
  CHECK(error_over(
            x, a.value, [&](double v) { return v * s(v); }, [&](double v) { return std::abs(v) * s(v); }) < 5e-7);
  CHECK(error_over(
            x, a.gradients[0], [&](double v) { return s(v) * (1 + v * s(-v)); },
            [&](double v) { return s(v) * (1 + std::abs(v)); }) < 1e-6);
  const ValueAndGradients b = over_sweep(sigmoid, x);
  CHECK(error_over(x, b.value, s, s) < 3e-7);
  CHECK(error_over(
            x, b.gradients[0], [&](double v) { return s(v) * s(-v); }, s) < 1e-6);
  const ValueAndGradients c = over_sweep(tape::tanh, x);
  CHECK(error_over(
            x, c.value, [](double v) { return std::tanh(v); }, [](double v) { return std::abs(std::tanh(v)); }) < 3e-7);
  CHECK(error_over(
            x, c.gradients[0], [](double v) { return 1 / std::pow(std::cosh(v), 2); }, [](double) { return 1.0; }) <
        1e-6);
}

}  // namespace tape::test
