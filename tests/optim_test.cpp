// Optimizers: against PyTorch, and what they promise to do and to refuse.
#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/parallel.h>
#include <tape/core/safetensors.h>
#include <tape/optim/adam.h>
#include <tape/optim/clip.h>
#include <tape/optim/sgd.h>

#include "catch.h"
#include "support/optim_golden.h"
#include "support/tensors.h"

using namespace tape;
using test::error_of;
using test::has_parts;
using test::leaf_of;
using test::put_gradient;
using test::put_gradients;
using test::values_of;

namespace {

// Small, larger than a chunk, and not a multiple of any vector's length.
ParameterList three_leaves() {
  return {leaf_of("embedding", {33, 700}, 1), leaf_of("weight", {5, 7}, 2), leaf_of("bias", {7}, 3)};
}

void run(optim::Optimizer& optimizer, int64_t from, int64_t to) {
  for (int64_t step = from; step < to; ++step) {
    put_gradients(optimizer.parameters(), static_cast<uint64_t>(step) + 1);
    optimizer.step(1e-2);
  }
}

class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(threads()) { set_threads(count); }
  ~ThreadCount() { set_threads(before_); }

 private:
  int before_;
};

}  // namespace

TEST_CASE("optimizers agree with PyTorch", "[optim]") {
  for (const test::OptimizerCase& each : test::optimizer_cases()) {
    INFO(each.name);
    const test::GoldenDifference difference = test::golden_difference(each);
    CHECK(difference.values < 5e-7);  // ten steps of float rounding, 6e-8 each
    CHECK(difference.averages < 5e-7);
  }
}

TEST_CASE("Adam's first step is the rate times the gradient's sign", "[optim]") {
  const LeafPtr leaf = leaf_of("w", {5}, 1);
  const Tensor before = values_of({leaf})[0];
  optim::Adam adam({leaf});
  put_gradient(leaf, 7);
  const Tensor gradient = leaf->gradient_tensor();
  adam.step(0.01);
  for (int64_t i = 0; i < 5; ++i) {
    const double moved = static_cast<double>(leaf->data()[i]) - static_cast<double>(before.data()[i]);
    CHECK(moved == Approx(gradient.data()[i] > 0 ? -0.01 : 0.01).epsilon(1e-4));
  }
}

TEST_CASE("a step without a gradient is refused by name and changes nothing", "[optim]") {
  const ParameterList leaves = three_leaves();
  optim::AdamW adamw(leaves);
  run(adamw, 0, 2);
  const auto before = values_of(leaves);
  put_gradient(leaves[0], 1);
  CHECK(has_parts(error_of([&] { adamw.step(0.1); }),
                  {"adamw", "step 2", "no gradient for weight, bias", "freeze what takes no part"}));
  CHECK(test::same_bits(values_of(leaves), before));
  CHECK(adamw.steps() == 2);
  CHECK(leaves[0]->has_gradient);
}

TEST_CASE("a step consumes the gradients", "[optim]") {
  const ParameterList leaves = three_leaves();
  optim::SGD sgd(leaves);
  put_gradients(leaves, 1);
  sgd.step(0.1);
  for (const LeafPtr& leaf : leaves) CHECK_FALSE(leaf->has_gradient);
  for (const LeafPtr& leaf : leaves) CHECK_FALSE(leaf->gradient);  // nor does their memory wait for the next
  CHECK_THROWS_AS(sgd.step(0.1), Error);
  put_gradients(leaves, 1);
  sgd.zero_grad();
  for (const LeafPtr& leaf : leaves) CHECK_FALSE(leaf->has_gradient);
}

TEST_CASE("a frozen parameter stays as it is, with a gradient or without", "[optim]") {
  const bool with_gradient = GENERATE(false, true);
  const ParameterList leaves = three_leaves();
  optim::AdamW adamw(leaves, {.weight_decay = 0.5});
  leaves[1]->frozen = true;
  const auto before = values_of(leaves);
  put_gradients(leaves, 1);
  leaves[1]->has_gradient = with_gradient;
  adamw.step(0.1);
  const auto after = values_of(leaves);
  CHECK(test::same_bits(after[1], before[1]));
  CHECK_FALSE(test::same_bits(after[0], before[0]));
  CHECK_FALSE(test::same_bits(after[2], before[2]));
  CHECK_FALSE(leaves[1]->has_gradient);
}

TEST_CASE("a routed parameter without a gradient stays as it is", "[optim]") {
  const ParameterList leaves = three_leaves();
  leaves[2]->routed = true;
  optim::SGD sgd(leaves, {.momentum = 0.9, .weight_decay = 0.5});
  run(sgd, 0, 1);
  const auto before = values_of(leaves);
  put_gradient(leaves[0], 5);
  put_gradient(leaves[1], 6);
  sgd.step(0.1);
  const auto after = values_of(leaves);
  CHECK(test::same_bits(after[2], before[2]));
  CHECK_FALSE(test::same_bits(after[1], before[1]));
}

TEST_CASE("weight decay applies where the parameter or the predicate says", "[optim]") {
  const bool with_predicate = GENERATE(false, true);
  const ParameterList leaves = three_leaves();
  leaves[1]->decay = false;
  optim::AdamWOptions options{.weight_decay = 0.5};
  if (with_predicate) options.decay = [](const Leaf& leaf) { return leaf.shape.rank() == 1; };
  optim::AdamW adamw(leaves, options);
  const auto before = values_of(leaves);
  put_gradients(leaves, 1);
  for (const LeafPtr& leaf : leaves) std::fill_n(leaf->gradient_data(), leaf->size(), real{0});
  adamw.step(0.5);  // without a gradient only the decay moves anything: by the factor 1 - 0.5·0.5
  const std::vector<bool> decays = with_predicate ? std::vector{false, false, true} : std::vector{true, false, true};
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    INFO(leaves[i]->name);
    for (int64_t j = 0; j < leaves[i]->size(); ++j) {
      REQUIRE(leaves[i]->data()[j] == before[i].data()[j] * (decays[i] ? real{0.75} : real{1}));
    }
  }
}

TEST_CASE("the number of threads does not change a bit", "[optim]") {
  const auto result = [](int count) {
    const ThreadCount guard(count);
    const ParameterList leaves = three_leaves();
    optim::AdamW adamw(leaves);
    double norms = 0;
    for (uint64_t step = 1; step < 5; ++step) {
      put_gradients(leaves, step);
      norms += optim::clip_grad_norm(adamw, 0.7);
      adamw.step(0.01);
    }
    std::vector<Tensor> all = values_of(leaves);
    all.push_back(Tensor::full({}, static_cast<real>(norms)));
    for (const auto& [name, tensor] : adamw.state()) all.push_back(tensor);
    return all;
  };
  const auto one = result(1);
  for (int count = 2; count <= 4; ++count) CHECK(test::same_bits(result(count), one));
}

TEST_CASE("nothing is taken from the system from the third step on", "[optim]") {
  const ParameterList leaves = three_leaves();
  optim::AdamW adamw(leaves);
  int64_t taken = 0;
  for (int step = 0; step < 6; ++step) {
    if (step == 2) taken = pool_stats().system_allocations;
    for (const LeafPtr& leaf : leaves) put_gradient(leaf, 1);
    optim::clip_grad_norm(adamw, 1.0);
    adamw.step(0.01);
  }
  CHECK(pool_stats().system_allocations == taken);
}

TEST_CASE("averages taken before the first step change no bit, and the first step takes none", "[optim]") {
  for (const test::OptimizerCase& each : test::optimizer_cases()) {
    INFO(each.name);
    std::vector<Tensor> values[2];
    for (const bool reserves : {false, true}) {
      const ParameterList leaves = three_leaves();
      const auto optimizer = each.make(leaves);
      if (reserves) optimizer->reserve();
      run(*optimizer, 0, 1);
      values[reserves] = values_of(leaves);
    }
    CHECK(test::same_bits(values[0], values[1]));
  }
  const ParameterList leaves = {leaf_of("weight", {300, 700}, 1), leaf_of("frozen", {300, 700}, 2)};
  leaves[1]->frozen = true;
  optim::AdamW adamw(leaves);
  const std::size_t before = pool_stats().bytes_in_use;
  adamw.reserve();
  const std::size_t reserved = pool_stats().bytes_in_use;
  CHECK(reserved - before >= 2 * 300 * 700 * sizeof(real));
  CHECK(reserved - before < 3 * 300 * 700 * sizeof(real));  // none for what is frozen
  put_gradient(leaves[0], 1);
  adamw.step(1e-3);
  CHECK(pool_stats().bytes_in_use == reserved);
}

TEST_CASE("a gradient that is not finite is not applied, and is named", "[optim]") {
  const real bad = GENERATE(std::numeric_limits<real>::quiet_NaN(), std::numeric_limits<real>::infinity(),
                            -std::numeric_limits<real>::infinity(), std::numeric_limits<real>::max());
  const ParameterList leaves = three_leaves();
  optim::Adam adam(leaves);
  run(adam, 0, 2);
  const auto before = values_of(leaves);
  put_gradients(leaves, 9);
  leaves[0]->gradient_data()[20000] = bad;
  leaves[2]->gradient_data()[6] = bad;
  CHECK(has_parts(error_of([&] { adam.step(0.01); }),
                  {"adam", "in step 2 the gradient of embedding, bias is not finite", "last checkpoint"}));
  const auto after = values_of(leaves);
  CHECK(test::same_bits(after[2], before[2]));
  CHECK_FALSE(test::same_bits(after[1], before[1]));
  run(adam, 3, 4);  // neither values nor averages were harmed
  for (const LeafPtr& leaf : leaves) {
    for (int64_t i = 0; i < leaf->size(); ++i) REQUIRE(std::isfinite(leaf->data()[i]));
  }
}

TEST_CASE("bad rates, options and parameter lists are refused", "[optim]") {
  const LeafPtr leaf = leaf_of("w", {3});
  put_gradient(leaf, 1);
  optim::SGD sgd({leaf});
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(has_parts(error_of([&] { sgd.step(-0.1); }), {"sgd", "learning rate of step 0", "not -0.1"}));
  CHECK_THROWS_AS(sgd.step(infinity), Error);
  CHECK_THROWS_AS(sgd.step(std::nan("")), Error);
  CHECK(leaf->has_gradient);

  CHECK(has_parts(error_of([&] { optim::SGD({leaf}, {.momentum = 1}); }), {"sgd", "momentum", "below 1", "not 1"}));
  CHECK(has_parts(error_of([&] { optim::SGD({leaf}, {.dampening = -1}); }), {"dampening", "between 0 and 1"}));
  CHECK(has_parts(error_of([&] { optim::SGD({leaf}, {.weight_decay = -1}); }), {"weight_decay", "at least 0"}));
  CHECK(has_parts(error_of([&] { optim::SGD({leaf}, {.nesterov = true}); }), {"momentum", "above 0 with nesterov"}));
  CHECK(has_parts(error_of([&] { optim::SGD({leaf}, {.momentum = .9, .dampening = .1, .nesterov = true}); }),
                  {"dampening", "0 with nesterov"}));
  CHECK(has_parts(error_of([&] { optim::Adam({leaf}, {.beta1 = 1}); }), {"adam", "beta1", "below 1"}));
  CHECK(has_parts(error_of([&] { optim::AdamW({leaf}, {.beta2 = -0.1}); }), {"adamw", "beta2", "not -0.1"}));
  CHECK(has_parts(error_of([&] { optim::AdamW({leaf}, {.eps = 0}); }), {"eps", "above", "not 0"}));
  CHECK(has_parts(error_of([&] { optim::AdamW({leaf}, {.weight_decay = infinity}); }), {"weight_decay", "finite"}));

  CHECK(has_parts(error_of([&] { optim::SGD({leaf, leaf}); }), {"sgd", "w (3)", "given twice"}));
  CHECK(has_parts(error_of([&] { optim::SGD(ParameterList{}); }), {"sgd", "no parameters"}));
  CHECK(has_parts(error_of([&] { optim::SGD({leaf, nullptr}); }), {"sgd", "null"}));
}
