// The statistics: what LayerNorm and RMSNorm are invariant to, and their accuracy far from zero.
#include <tape/nn/norm.h>

#include <cmath>

#include <tape/core/ops/elementwise.h>
#include <tape/core/tape.h>
#include <tape/nn/module.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::NormKind;

nn::Norm random_norm(NormKind kind, int64_t width, uint64_t seed, double eps = 1e-5) {
  nn::NormConfig config(kind);
  config.eps = eps;
  nn::Norm norm(config, width);
  nn::initialize(norm, Seed{1});
  randomize(nn::parameters(norm), seed);
  return norm;
}

Tensor shifted(const Tensor& x, real by) {
  return x + Tensor::full(x.shape(), by);
}

// LayerNorm of one row and the gradient of its input, in double.
struct Reference {
  std::vector<double> y, dx;
};
Reference layer_norm_in_double(std::span<const real> x, std::span<const real> w, std::span<const real> b,
                               std::span<const real> dy, double eps) {
  const std::size_t n = x.size();
  const auto count = static_cast<double>(n);
  double mean = 0;
  for (const real v : x) mean += static_cast<double>(v) / count;
  double variance = 0;
  for (const real v : x) variance += (v - mean) * (v - mean) / count;
  const double r = 1 / std::sqrt(variance + eps);
  Reference result;
  std::vector<double> hat(n);
  std::vector<double> g(n);
  double mean_g = 0;
  double mean_g_hat = 0;
  for (std::size_t i = 0; i < n; ++i) {
    hat[i] = (x[i] - mean) * r;
    g[i] = static_cast<double>(w[i]) * dy[i];
    result.y.push_back(hat[i] * w[i] + b[i]);
    mean_g += g[i] / count;
    mean_g_hat += g[i] * hat[i] / count;
  }
  for (std::size_t i = 0; i < n; ++i) result.dx.push_back(r * (g[i] - mean_g - hat[i] * mean_g_hat));
  return result;
}

}  // namespace

TEST_CASE("LayerNorm does not see a·x + c, RMSNorm does not see a·x only", "[nn][norm]") {
  const Tensor x = random_tensor({5, 16}, 1, -2, 3);
  const nn::Norm layer = random_norm(NormKind::Layer, 16, 2, 1e-12);
  const nn::Norm rms = random_norm(NormKind::RMS, 16, 2, 1e-12);
  for (const double a : {0.01, 3.0, 500.0}) {
    CHECK(difference(layer(scale(x, a)), layer(x)) < 2e-6);
    CHECK(difference(rms(scale(x, a)), rms(x)) < 2e-6);
  }
  CHECK(difference(layer(shifted(x, 4)), layer(x)) < 5e-6);
  CHECK(difference(rms(shifted(x, 4)), rms(x)) > 0.1);
  CHECK(difference(rms(scale(x, -1)), scale(rms(x), -1)) < 1e-6);
}

TEST_CASE("RMSNorm equals LayerNorm where the mean is zero", "[nn][norm]") {
  Tensor x = random_tensor({5, 16}, 1);
  for (int64_t r = 0; r < 5; ++r) {  // each number with its opposite
    for (int64_t c = 0; c < 8; ++c) x.mutable_data()[r * 16 + 15 - c] = -x.data()[r * 16 + c];
  }
  nn::Norm layer(NormKind::Layer, 16);
  nn::Norm rms(NormKind::RMS, 16);
  nn::initialize(layer, Seed{1});
  nn::initialize(rms, Seed{1});
  CHECK(difference(layer(x), rms(x)) < 1e-6);
  CHECK(difference(layer(shifted(x, 1)), rms(shifted(x, 1))) > 0.1);
}

TEST_CASE("LayerNorm has a weight and a bias, RMSNorm a weight", "[nn][norm]") {
  CHECK(nn::parameters(nn::Norm(NormKind::Layer, 8)).size() == 2);
  CHECK(nn::parameters(nn::Norm(NormKind::RMS, 8)).size() == 1);
}

TEST_CASE("LayerNorm of rows with mean 1450 is accurate, forward and backward", "[nn][norm]") {
  // E[x²] - μ² would lose all digits here: both are about 2·10⁶, where floats are 0.25 apart.
  constexpr int64_t rows = 6;
  constexpr int64_t width = 768;
  constexpr double eps = 1e-5;
  const nn::Norm norm = random_norm(NormKind::Layer, width, 3, eps);
  const Tensor x = shifted(random_tensor({rows, width}, 4), 1450);  // rounded here, and given to both alike
  const Tensor dy = cotangent(x.shape(), 5);
  Tape tape;
  const Tensor in = tape.watch(x);
  const Tensor y = norm(in);
  tape.backward(y, dy);
  const Tensor dx = tape.grad(in);
  double worst_y = 0;
  double worst_dx = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t at = r * width;
    const Reference reference = layer_norm_in_double(x.values().subspan(at, width), norm.weight.value().values(),
                                                     norm.bias.value().values(), dy.values().subspan(at, width), eps);
    for (std::size_t i = 0; i < width; ++i) {
      worst_y = std::max(worst_y, std::abs(y.values()[at + i] - reference.y[i]));
      worst_dx = std::max(worst_dx, std::abs(dx.values()[at + i] - reference.dx[i]));
    }
  }
  CHECK(worst_y < 5e-6);  // of numbers up to 3; a mean rounded to float would already be off by 6e-5
  CHECK(worst_dx < 5e-6);
}

}  // namespace tape::inline TAPE_ABI::test
