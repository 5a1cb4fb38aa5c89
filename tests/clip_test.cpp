// Clipping, against PyTorch and in its corners.
#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/safetensors.h>
#include <tape/optim/adam.h>
#include <tape/optim/clip.h>

#include "catch.h"
#include "support/optim_golden.h"
#include "support/tensors.h"

using namespace tape;
using test::error_of;
using test::has_parts;
using test::leaf_of;
using test::put_gradient;

namespace {

SafetensorsFile golden() {
  return SafetensorsFile::open(TAPE_GOLDEN_DIR "/optim.safetensors");
}

void check_gradients(const ParameterList& parameters, const std::string& prefix) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    INFO(prefix << i);
    CHECK(test::difference(parameters[i]->gradient_tensor(), golden().read(str(prefix, i))) < 2e-7);
  }
}

}  // namespace

TEST_CASE("clip_grad_norm agrees with PyTorch", "[optim]") {
  const bool tight = GENERATE(true, false);
  const std::string name = tight ? "clip.tight." : "clip.loose.";
  const ParameterList parameters = test::golden_parameters();
  test::put_golden_gradients(parameters, 0);
  const double norm = optim::clip_grad_norm(parameters, tight ? 0.5 : 100.0);
  CHECK(norm == Approx(golden().read(name + "norm").item()).epsilon(1e-7));
  check_gradients(parameters, name);
  CHECK(optim::grad_norm(parameters) == Approx(tight ? 0.5 : norm).epsilon(1e-6));
}

TEST_CASE("clip_grad_value agrees with PyTorch", "[optim]") {
  const ParameterList parameters = test::golden_parameters();
  test::put_golden_gradients(parameters, 0);
  optim::clip_grad_value(parameters, 0.25);
  check_gradients(parameters, "clip.value.");
}

TEST_CASE("the norm of many small and large gradients is exact", "[optim]") {
  ParameterList parameters;
  double count = 0;
  for (int i = 0; i < 100; ++i) {
    const LeafPtr leaf = leaf_of(str("p", i), {i % 10 == 0 ? 30000 : 3});
    put_gradient(leaf, 1);
    std::fill_n(leaf->gradient_data(), leaf->size(), real{-0.5});
    parameters.push_back(leaf);
    count += static_cast<double>(leaf->size());
  }
  CHECK(optim::grad_norm(parameters) == std::sqrt(count * 0.25));
}

TEST_CASE("clipping leaves out what a step leaves out", "[optim]") {
  const ParameterList parameters = {leaf_of("a", {4}), leaf_of("frozen", {4}), leaf_of("idle", {4})};
  for (const LeafPtr& leaf : parameters) {
    put_gradient(leaf, 1);
    std::fill_n(leaf->gradient_data(), 4, real{2});
  }
  parameters[1]->frozen = true;
  parameters[2]->has_gradient = false;
  CHECK(optim::clip_grad_norm(parameters, 1.0) == 4.0);
  CHECK(parameters[0]->gradient_data()[0] == Approx(0.5));
  CHECK(parameters[1]->gradient_data()[0] == 2);
  CHECK(parameters[2]->gradient_data()[0] == 2);
  CHECK(optim::grad_norm({leaf_of("none", {4})}) == 0);
}

TEST_CASE("clip_grad_norm returns a norm that is not finite and leaves the gradients alone", "[optim]") {
  const real bad = GENERATE(std::numeric_limits<real>::quiet_NaN(), std::numeric_limits<real>::infinity());
  const ParameterList parameters = {leaf_of("a", {4}), leaf_of("b", {9000})};
  for (const LeafPtr& leaf : parameters) put_gradient(leaf, 1);
  parameters[1]->gradient_data()[8999] = bad;
  const Tensor before = parameters[0]->gradient_tensor().copy();
  optim::AdamW adamw(parameters);
  CHECK_FALSE(std::isfinite(optim::clip_grad_norm(adamw, 1.0)));
  CHECK(test::same_bits(parameters[0]->gradient_tensor(), before));
}

TEST_CASE("gradients whose squares overflow a float have a finite norm", "[optim]") {
  const LeafPtr leaf = leaf_of("w", {2});
  put_gradient(leaf, 1);
  leaf->gradient_data()[0] = real{3e30F};
  leaf->gradient_data()[1] = real{-4e30F};
  CHECK(optim::clip_grad_norm({leaf}, 1.0) == Approx(5e30));
  CHECK(leaf->gradient_data()[0] == Approx(0.6));
  CHECK(leaf->gradient_data()[1] == Approx(-0.8));
}

TEST_CASE("clip_grad_value bounds both sides and keeps NaN", "[optim]") {
  const LeafPtr leaf = leaf_of("w", {4});
  put_gradient(leaf, 1);
  const Tensor gradient = Tensor::from({4}, {-3, 0.25, 3, std::numeric_limits<real>::quiet_NaN()});
  std::copy(gradient.data(), gradient.data() + 4, leaf->gradient_data());
  const optim::Adam adam({leaf});
  optim::clip_grad_value(adam, 1.0);
  CHECK(leaf->gradient_data()[0] == -1);
  CHECK(leaf->gradient_data()[1] == real{0.25});
  CHECK(leaf->gradient_data()[2] == 1);
  CHECK(std::isnan(leaf->gradient_data()[3]));
}

TEST_CASE("clipping refuses a bound that is not above 0", "[optim]") {
  const LeafPtr leaf = leaf_of("w", {4});
  CHECK(has_parts(error_of([&] { optim::clip_grad_norm({leaf}, 0); }), {"clip_grad_norm: max", "above 0", "not 0"}));
  CHECK_THROWS_AS(optim::clip_grad_norm({leaf}, std::nan("")), Error);
  CHECK(has_parts(error_of([&] { optim::clip_grad_value({leaf}, -1); }), {"clip_grad_value: limit", "not -1"}));
}
