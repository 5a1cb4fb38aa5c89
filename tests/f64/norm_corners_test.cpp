// Gradients of norms where the formula changes or divides by zero: what the contracts in core/ops/norm.h promise,
// against finite differences where there is a derivative.
#include <algorithm>
#include <cmath>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/gradcheck.h"

namespace tape::inline TAPE_ABI::test {

namespace {

// A random row of the given length ‖x‖.
Tensor row_of_length(double length, uint64_t seed) {
  const Tensor x = random_tensor({1, 6}, seed);
  double squares = 0;
  for (const real v : x.values()) squares += v * v;
  return scale(x, length / std::sqrt(squares));
}

bool all_zero(const Tensor& x) {
  return std::ranges::all_of(x.values(), [](real v) { return v == 0; });
}

}  // namespace

TEST_CASE("scale_norm has the gradient of either formula on its side of epsilon, and at it the linear one", "[norm]") {
  constexpr double eps = 0.25;
  const Tensor gain = Tensor::full({1}, 1.5);
  const Function f = [](const Inputs& in) { return scale_norm(in[0], in[1], eps); };
  for (const double length : {0.0, 0.01, 0.24, 0.26, 3.0}) {
    INFO("length " << length);
    const Tensor x = row_of_length(length, 1);
    check_gradients(f, {x, gain}, {.step = 1e-3, .zero = length == 0 ? std::vector<int>{1} : std::vector<int>{}});
  }
  const Tensor edge = Tensor::from({1, 2}, {0.25, 0});
  const Tensor dy = Tensor::from({1, 2}, {1, -3});
  CHECK(same_bits(differentiate(f, {edge, gain}, dy).gradients[0], Tensor::from({1, 2}, {6, -18})));
}

TEST_CASE("rms_norm with epsilon outside of the root has the limit of small rows as its gradient at zero", "[norm]") {
  const NormOptions options{.eps = 0.5, .eps_place = EpsPlace::outside};
  const Tensor w = random_tensor({6}, 2, 0.5, 2);
  const Tensor dy = cotangent({1, 6}, 3);
  const auto dx_at = [&](const Tensor& x) {
    return differentiate([&](const Inputs& in) { return rms_norm(in[0], w, {}, options); }, {x}, dy).gradients[0];
  };
  const Tensor limit = scale(multiply_rows(dy, w), 1 / options.eps);
  CHECK(difference(dx_at(Tensor::zeros({1, 6})), limit) < 1e-15);
  for (const double length : {1e-3, 1e-6, 1e-9, 1e-50, 1e-200}) {
    INFO("length " << length);
    CHECK(difference(dx_at(row_of_length(length, 4)), limit) < 20 * length + 1e-14);
  }
}

TEST_CASE("Without epsilon a row without spread gives no gradient", "[norm]") {
  const Tensor w = random_tensor({6}, 5, 0.5, 2);
  const Tensor dy = cotangent({2, 6}, 6);
  for (const EpsPlace place : {EpsPlace::inside, EpsPlace::outside}) {
    const NormOptions options{.eps = 0, .eps_place = place};
    const auto gradient = [&](auto norm, double level) {
      return differentiate([&](const Inputs& in) { return norm(in[0], w, Tensor(), options, Where::here()); },
                           {Tensor::full({2, 6}, level)}, dy)
          .gradients[0];
    };
    using Norm = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const NormOptions&, Where);
    CHECK(all_zero(gradient(static_cast<Norm>(layer_norm), 1450.0)));
    CHECK(all_zero(gradient(static_cast<Norm>(layer_norm), 0.0)));
    CHECK(all_zero(gradient(static_cast<Norm>(rms_norm), 0.0)));
  }
}

TEST_CASE("A partial rms_norm whose columns that count are zero is linear in the others", "[norm]") {
  const NormOptions options{.eps = 0.01, .partial = 0.5};
  const Tensor x = Tensor::from({1, 6}, {0, 0, 0, 1, -2, 3});
  const Tensor w = random_tensor({6}, 7, 0.5, 2);
  const Function f = [&](const Inputs& in) { return rms_norm(in[0], w, {}, options); };
  check_gradients(f, {x}, GradCheckOptions{.step = 2e-4});
  const Tensor dy = cotangent({1, 6}, 8);
  CHECK(difference(differentiate(f, {x}, dy).gradients[0], scale(multiply_rows(dy, w), 10)) < 1e-14);
}

TEST_CASE("Rows whose squares leave the range of a double keep their gradient", "[norm]") {
  // Norms do not see the scale s of a row, so that their gradient is 1/s of that of the row itself.
  const Tensor x = random_tensor({2, 6}, 9);
  const Tensor dy = cotangent({2, 6}, 10);
  const auto dx_at = [&](double size, auto norm) {
    return scale(differentiate([&](const Inputs& in) { return norm(in[0]); }, {scale(x, size)}, dy).gradients[0], size);
  };
  const auto rms = [](const Tensor& t) { return rms_norm(t, {}, {}, 0); };
  const auto layer = [](const Tensor& t) { return layer_norm(t, {}, {}, 0); };
  for (const double size : {1e-140, 1e100, 1e150}) {
    INFO("numbers of size " << size);
    CHECK(difference(dx_at(size, rms), dx_at(1, rms)) < 1e-13);
    CHECK(difference(dx_at(size, layer), dx_at(1, layer)) < 1e-13);
  }
}

}  // namespace tape::inline TAPE_ABI::test
