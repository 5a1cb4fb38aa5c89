// layer_norm and rms_norm: values by hand, invariances, rows far from zero, messages.
#include <cmath>
#include <limits>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

// The row's normalised numbers in double, from the f32 input as it is.
std::vector<double> exact_layer_norm(const real* x, int64_t n, double eps) {
  double mean = 0;
  double variance = 0;
  for (int64_t i = 0; i < n; ++i) mean += x[i] / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(n);
  std::vector<double> y;
  for (int64_t i = 0; i < n; ++i) y.push_back((x[i] - mean) / std::sqrt(variance + eps));
  return y;
}

}  // namespace

TEST_CASE("layer_norm and rms_norm by hand", "[norm]") {
  const Tensor x = Tensor::from({2, 2}, {1, 3, -4, 4});
  const Tensor w = Tensor::from({2}, {10, 100});
  const Tensor b = Tensor::from({2}, {1, 2});
  CHECK(difference(layer_norm(x, w, b, 0), Tensor::from({2, 2}, {-9, 102, -9, 102})) < 1e-6);
  CHECK(difference(layer_norm(x, {}, {}, 3),
                   Tensor::from({2, 2}, {-0.5f, 0.5f, -4 / std::sqrt(19.0f), 4 / std::sqrt(19.0f)})) < 1e-6);
  CHECK(difference(rms_norm(Tensor::from({1, 2}, {3, 4}), w, {}, 0),
                   Tensor::from({1, 2}, {30 / std::sqrt(12.5f), 400 / std::sqrt(12.5f)})) < 1e-6);
  CHECK(difference(rms_norm(Tensor::from({2}, {1, 1}), w, b, 3), Tensor::from({2}, {6, 52})) < 1e-6);
}

TEST_CASE("layer_norm does not see a shift or, but for eps, a factor, while rms_norm does see the shift", "[norm]") {
  const Tensor x = random_tensor({20, 48}, 1);
  const Tensor shifted = x + Tensor::full(x.shape(), 4);
  const Tensor one = Tensor::full({48}, 1);
  CHECK(difference(layer_norm(shifted, one, {}), layer_norm(x, one, {})) < 2e-6);
  CHECK(difference(layer_norm(scale(x, 8), one, {}, 0), layer_norm(x, one, {}, 0)) < 1e-6);
  CHECK(difference(rms_norm(scale(x, 8), one, {}, 0), rms_norm(x, one, {}, 0)) < 1e-6);
  CHECK(difference(rms_norm(shifted, one), rms_norm(x, one)) > 0.1);
  // On rows of mean zero both are the same.
  const Tensor centred = layer_norm(x, {}, {}, 0);
  CHECK(difference(rms_norm(centred, one), layer_norm(centred, one, {})) < 2e-6);
}

TEST_CASE("Rows with a mean of 1450 are normalised as accurately as others", "[norm]") {
  for (const int64_t width : {7, 64, 768}) {
    for (const double spread : {1.0, 0.02}) {
      const Tensor x = random_tensor({50, width}, 2, 1450 - spread, 1450 + spread);
      const Tensor y = layer_norm(x, {}, {});
      double worst = 0;
      for (int64_t r = 0; r < 50; ++r) {
        const std::vector<double> exact = exact_layer_norm(x.data() + r * width, width, 1e-5);
        for (int64_t c = 0; c < width; ++c) {
          worst = std::max(worst, std::abs(y.data()[r * width + c] - exact[static_cast<std::size_t>(c)]));
        }
      }
      INFO("width " << width << ", spread " << spread);
      CHECK(worst < 2e-6);
    }
  }
}

TEST_CASE("A row of equal numbers gives the bias exactly", "[norm]") {
  const Tensor b = random_tensor({33}, 3);
  const Tensor w = random_tensor({33}, 4);
  for (const real level : {0.0f, 0.1f, -7.3f, 1450.7f, 1e20f}) {
    const Tensor y = layer_norm(Tensor::full({3, 33}, level), w, b);
    for (int64_t r = 0; r < 3; ++r) CHECK(difference(slice(y, 0, r, r + 1), reshape(b, {1, 33})) < 1e-6);
  }
  CHECK(difference(rms_norm(Tensor::zeros({1, 33}), w, b), reshape(b, {1, 33})) == 0);
}

TEST_CASE("One bad row leaves the others alone", "[norm]") {
  Tensor x = random_tensor({3, 8}, 5);
  const Tensor clean = layer_norm(x, {}, {});
  x.mutable_data()[9] = std::numeric_limits<real>::quiet_NaN();
  const Tensor y = layer_norm(x, {}, {});
  CHECK(same_bits(slice(y, 0, 0, 1), slice(clean, 0, 0, 1)));
  CHECK(same_bits(slice(y, 0, 2, 3), slice(clean, 0, 2, 3)));
  for (int64_t c = 0; c < 8; ++c) CHECK(std::isnan(y.data()[8 + c]));
}

TEST_CASE("Norms name themselves, the shapes and the parameter in their messages", "[norm][errors]") {
  const Tensor x = Tensor::zeros({2, 3});
  const Tensor good = Tensor::zeros({3});
  const Parameter bad = parameter_of(Tensor::zeros({4}), "blocks.0.norm.weight");
  CHECK(has_parts(error_of([&] { layer_norm(x, bad, good); }),
                  {"layer_norm: ", "weight", "blocks.0.norm.weight (4)", "(3)", "(2, 3)", "ops_norm_test.cpp:"}));
  CHECK(has_parts(error_of([&] { layer_norm(x, good, bad); }), {"layer_norm: ", "bias", "(4)", "(3)"}));
  CHECK(has_parts(error_of([&] {
                    rms_norm(x, Tensor::zeros({1, 3}));
                  }),
                  {"rms_norm: ", "(1, 3)", "ops_norm_test.cpp:"}));
  CHECK(has_parts(error_of([&] { rms_norm(x, good, {}, -1); }), {"rms_norm: ", "eps", "-1"}));
  CHECK(has_parts(error_of([&] { layer_norm(x, good, {}, std::nan("")); }), {"layer_norm: ", "eps"}));
  CHECK(has_parts(error_of([&] { layer_norm(Tensor::zeros({2, 0}), {}, {}); }), {"layer_norm: ", "(2, 0)"}));
  CHECK(has_parts(error_of([&] { layer_norm(Tensor(), {}, {}); }), {"layer_norm: ", "argument 1", "empty"}));
}

}  // namespace tape::test
