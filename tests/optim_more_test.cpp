// Every optimizer: what all of them promise, and the newer ones against PyTorch and their papers' formulas.
#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/ops.h>
#include <tape/core/tape.h>
#include <tape/optim/clip.h>

#include "catch.h"
#include "support/nn_models.h"
#include "support/optim_golden.h"
#include "support/optimizers.h"

using namespace tape;
using test::all_optimizers;
using test::error_of;
using test::has_parts;
using test::leaf_of;
using test::put_gradient;
using test::put_gradients;
using test::values_of;

namespace {

// A matrix of several chunks, a tall and a wide one, and a vector.
ParameterList four_leaves() {
  ParameterList leaves = {leaf_of("weight", {33, 700}, 1), leaf_of("tall", {40, 7}, 2), leaf_of("wide", {5, 9}, 3),
                          leaf_of("bias", {7}, 4)};
  leaves[3]->decay = false;
  return leaves;
}

void run(optim::Optimizer& optimizer, int64_t from, int64_t to, double rate = 1e-2) {
  for (int64_t step = from; step < to; ++step) {
    put_gradients(optimizer.parameters(), static_cast<uint64_t>(step) + 1);
    optimizer.step(rate);
  }
}

bool all_finite(const ParameterList& parameters) {
  return std::ranges::all_of(values_of(parameters), [](const Tensor& value) {
    return std::ranges::all_of(value.values(), [](real x) { return std::isfinite(x); });
  });
}

}  // namespace

TEST_CASE("the newer optimizers agree with PyTorch and with their formulas", "[optim]") {
  for (const test::OptimizerRow& row : test::more_golden_optimizers()) {
    INFO(row.name);
    CHECK(test::more_golden_difference(row) < (row.name.starts_with("muon") ? 1e-5 : 1e-6));
  }
}

TEST_CASE("every optimizer goes on bit for bit from its state", "[optim]") {
  for (const test::OptimizerRow& row : all_optimizers()) {
    INFO(row.name);
    const ParameterList whole = four_leaves();
    const auto uninterrupted = row.make(whole);
    run(*uninterrupted, 0, 9);

    const ParameterList before = four_leaves();
    const auto interrupted = row.make(before);
    run(*interrupted, 0, 4);
    const ParameterList after = four_leaves();
    for (std::size_t i = 0; i < after.size(); ++i) {
      std::copy_n(before[i]->data(), before[i]->size(), after[i]->data());
    }
    const auto resumed = row.make(after);
    const optim::State taken = interrupted->state();
    resumed->load_state(taken);
    run(*resumed, 4, 9);
    run(*interrupted, 4, 9);  // goes on itself too, and changes nothing that was taken from it

    CHECK(test::same_bits(values_of(after), values_of(whole)));
    CHECK(test::same_bits(values_of(before), values_of(whole)));
    const optim::State expected = uninterrupted->state();
    const optim::State got = resumed->state();
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      INFO(got[i].first);
      CHECK(got[i].first == expected[i].first);
      CHECK(test::same_bits(got[i].second, expected[i].second));
    }
  }
}

TEST_CASE("with every optimizer the number of threads changes no bit", "[optim][no-asan]") {
  for (const test::OptimizerRow& row : all_optimizers()) {
    INFO(row.name);
    const auto result = [&row](int count) {
      const test::Threads guard(count);
      const ParameterList leaves = four_leaves();
      const auto optimizer = row.make(leaves);
      run(*optimizer, 0, 4);
      return values_of(leaves);
    };
    const auto one = result(1);
    for (int count = 2; count <= 4; ++count) CHECK(test::same_bits(result(count), one));
  }
}

TEST_CASE("no optimizer takes memory from the system from the third step on", "[optim]") {
  for (const test::OptimizerRow& row : all_optimizers()) {
    INFO(row.name);
    const ParameterList leaves = four_leaves();
    const auto optimizer = row.make(leaves);
    int64_t taken = 0;
    for (int step = 0; step < 6; ++step) {
      if (step == 2) taken = pool_stats().system_allocations;
      for (const LeafPtr& leaf : leaves) put_gradient(leaf, 1);
      optimizer->step(0.01);
    }
    CHECK(pool_stats().system_allocations == taken);
  }
}

TEST_CASE("no optimizer applies a gradient that is not finite", "[optim]") {
  for (const test::OptimizerRow& row : all_optimizers()) {
    for (const real bad : {std::numeric_limits<real>::quiet_NaN(), std::numeric_limits<real>::infinity(),
                           std::numeric_limits<real>::max()}) {
      for (const int64_t step : {0, 2}) {
        INFO(row.name << ", gradient " << bad << " in step " << step);
        const ParameterList leaves = four_leaves();
        const auto optimizer = row.make(leaves);
        run(*optimizer, 0, step);
        const auto before = values_of(leaves);
        put_gradients(leaves, 9);
        leaves[0]->gradient_data()[20000] = bad;
        leaves[1]->gradient_data()[3] = bad;
        CHECK(has_parts(error_of([&] { optimizer->step(0.01); }),
                        {optimizer->name(), "gradient of weight, tall is not finite"}));
        const auto after = values_of(leaves);
        CHECK(test::same_bits(after[1], before[1]));
        CHECK_FALSE(test::same_bits(after[2], before[2]));
        run(*optimizer, 3, 5);
        CHECK(all_finite(leaves));
        const auto scope = optimizer->evaluation();
        CHECK(all_finite(leaves));
      }
    }
  }
}

TEST_CASE("gradients of zero move no value of any optimizer, decay aside, and do no harm", "[optim]") {
  for (const test::OptimizerRow& row : all_optimizers()) {
    INFO(row.name);
    const ParameterList leaves = four_leaves();
    for (const LeafPtr& leaf : leaves) leaf->decay = false;
    const auto optimizer = row.make(leaves);
    const auto before = values_of(leaves);
    for (int step = 0; step < 3; ++step) {
      put_gradients(leaves, 1);
      for (const LeafPtr& leaf : leaves) std::fill_n(leaf->gradient_data(), leaf->size(), real{0});
      optimizer->step(0.01);
    }
    CHECK(test::same_bits(values_of(leaves), before));
    run(*optimizer, 3, 5);
    CHECK(all_finite(leaves));
  }
}

TEST_CASE("every optimizer leaves alone what is frozen, and what is routed and got no gradient", "[optim]") {
  for (const test::OptimizerRow& row : all_optimizers()) {
    INFO(row.name);
    const ParameterList leaves = four_leaves();
    const auto optimizer = row.make(leaves);
    leaves[1]->frozen = true;
    leaves[2]->routed = true;
    leaves[3]->routed = true;
    const auto before = values_of(leaves);
    for (uint64_t step = 0; step < 3; ++step) {
      put_gradient(leaves[0], step + 1);
      put_gradient(leaves[1], step + 2);
      optimizer->step(0.01);
    }
    const auto after = values_of(leaves);
    CHECK_FALSE(test::same_bits(after[0], before[0]));
    for (const std::size_t i : {1u, 2u, 3u}) CHECK(test::same_bits(after[i], before[i]));
    const auto scope = optimizer->evaluation();
    CHECK(test::same_bits(values_of({leaves[1], leaves[2], leaves[3]}), {before[1], before[2], before[3]}));
  }
}

TEST_CASE("every optimizer finds the lowest point of a bowl", "[optim]") {
  for (const test::OptimizerRow& row : all_optimizers()) {
    INFO(row.name);
    const ParameterList leaves = {leaf_of("w", {6, 5}, 1), leaf_of("b", {5}, 2)};
    const auto optimizer = row.make(leaves);
    const auto loss = [&] {
      double sum = 0;
      for (const LeafPtr& leaf : leaves) {
        for (int64_t i = 0; i < leaf->size(); ++i) {
          const double far = static_cast<double>(leaf->data()[i]) - 0.5;
          sum += static_cast<double>(1 + i % 3) * far * far / 2;
        }
      }
      return sum;
    };
    const double before = loss();
    for (int step = 0; step < 1000; ++step) {
      for (const LeafPtr& leaf : leaves) {
        if (!leaf->gradient) leaf->gradient = Storage::of<real>(leaf->size());
        for (int64_t i = 0; i < leaf->size(); ++i) {
          leaf->gradient_data()[i] = static_cast<real>(1 + i % 3) * (leaf->data()[i] - real{0.5f});
        }
        leaf->has_gradient = true;
      }
      optimizer->step(row.rate * (1 - step / 1000.0));
    }
    const auto scope = optimizer->evaluation();
    CHECK(loss() < 2e-3 * before);
  }
}

TEST_CASE("every optimizer trains a small GPT", "[optim][training]") {
  const test::Threads guard(1);
  const Ids ids = test::random_ids({4, 8}, 11, 1);
  const Ids targets = test::random_ids({4, 8}, 11, 2);
  for (const test::OptimizerRow& row : all_optimizers()) {
    INFO(row.name);
    const nn::GPT gpt({.vocab = 11, .context = 8, .layers = 1, .heads = 2, .width = 16}, Seed{1});
    const auto optimizer = row.make(nn::parameters(gpt));
    const auto loss_now = [&] {
      return static_cast<double>(cross_entropy(gpt(ids, nn::evaluation()), targets).item());
    };
    const double before = loss_now();
    for (int64_t step = 0; step < 100; ++step) {
      Tape tape;
      const Tensor loss = cross_entropy(gpt(ids, nn::training(step)), targets);
      tape.backward(loss);
      optim::clip_grad_norm(*optimizer, 1.0);
      optimizer->step(row.rate);
    }
    const auto scope = optimizer->evaluation();
    CHECK(loss_now() < 0.6 * before);
  }
}
