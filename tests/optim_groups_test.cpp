// Parameter groups, which work with every optimizer, and the moving average of weights.
#include <algorithm>
#include <cmath>

#include <tape/core/ops.h>
#include <tape/core/pattern.h>
#include <tape/optim/adam.h>
#include <tape/optim/ema.h>
#include <tape/optim/lion.h>
#include <tape/optim/sgd.h>

#include "catch.h"
#include "support/optim_golden.h"
#include "support/tensors.h"

using namespace tape;
using test::error_of;
using test::has_parts;
using test::leaf_of;
using test::put_gradients;
using test::values_of;

namespace {

ParameterList three_leaves() {
  return {leaf_of("token_embedding.weight", {5, 4}, 1), leaf_of("blocks.0.mlp.up.weight", {4, 4}, 2),
          leaf_of("blocks.0.norm.weight", {4}, 3)};
}

// θ after the update divided by θ before: with gradients of zero this is the decay alone.
std::vector<double> kept(const ParameterList& leaves, optim::Optimizer& optimizer, double rate) {
  const auto before = values_of(leaves);
  put_gradients(leaves, 1);
  for (const LeafPtr& leaf : leaves) std::fill_n(leaf->gradient_data(), leaf->size(), real{0});
  optimizer.step(rate);
  std::vector<double> ratios;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    ratios.push_back(static_cast<double>(leaves[i]->data()[0]) / static_cast<double>(before[i].data()[0]));
  }
  return ratios;
}

}  // namespace

TEST_CASE("names fit patterns in which a star stands for anything", "[optim]") {
  CHECK(matches_pattern("blocks.3.attn.qkv.weight", "blocks.*.attn.*"));
  CHECK(matches_pattern("abcbc", "a*bc"));
  CHECK(matches_pattern("", "*"));
  CHECK(matches_pattern("head", "head"));
  CHECK_FALSE(matches_pattern("head.weight", "head"));
  CHECK_FALSE(matches_pattern("blocks.3.mlp", "*attn*"));
  CHECK(optim::named("*.bias")(*leaf_of("a.bias", {1})));
}

TEST_CASE("a group's rate multiplies the rate, and the first group that matches counts", "[optim]") {
  const ParameterList leaves = three_leaves();
  const auto before = values_of(leaves);
  optim::Lion lion(leaves, {.groups = {{.matches = optim::named("*mlp*"), .rate = 0.25},
                                       {.matches = optim::named("blocks.*"), .rate = 2}}});
  put_gradients(leaves, 1);
  lion.step(0.1);
  const double expected[] = {0.1, 0.025, 0.2};
  for (std::size_t i = 0; i < 3; ++i) {
    const double moved = std::abs(static_cast<double>(leaves[i]->data()[0]) - static_cast<double>(before[i].data()[0]));
    CHECK(moved == Approx(expected[i]).epsilon(1e-5));
  }
}

TEST_CASE("a group's weight decay replaces the optimizer's for those of it that decay", "[optim]") {
  const ParameterList leaves = three_leaves();
  leaves[2]->decay = false;
  optim::AdamW adamw(leaves, {.weight_decay = 0.5,
                              .groups = {{.matches = optim::named("*embedding*"), .weight_decay = 0},
                                         {.matches = optim::named("blocks.*"), .rate = 2, .weight_decay = 0.1}}});
  const std::vector<double> ratios = kept(leaves, adamw, 0.5);
  CHECK(ratios[0] == 1);
  CHECK(ratios[1] == Approx(1 - 0.5 * 2 * 0.1));
  CHECK(ratios[2] == 1);
}

TEST_CASE("a group's rate leaves independent decay alone", "[optim]") {
  const ParameterList leaves = three_leaves();
  optim::AdamW adamw(leaves, {.weight_decay = 0.2,
                              .coupling = optim::DecayCoupling::Independent,
                              .peak_rate = 0.5,
                              .groups = {{.matches = optim::named("blocks.*"), .rate = 0.125}}});
  for (const double ratio : kept(leaves, adamw, 0.25)) CHECK(ratio == Approx(0.9));
}

TEST_CASE("a rate of zero freezes a group without stopping its averages", "[optim]") {
  const ParameterList leaves = three_leaves();
  optim::SGD sgd(leaves, {.momentum = 0.9, .groups = {{.matches = optim::named("*norm*"), .rate = 0}}});
  const auto before = values_of(leaves);
  put_gradients(leaves, 1);
  sgd.step(0.1);
  CHECK(test::same_bits(values_of({leaves[2]}), {before[2]}));
  CHECK_FALSE(test::same_bits(values_of({leaves[1]}), {before[1]}));
}

TEST_CASE("groups that can not be meant are refused", "[optim][errors]") {
  const ParameterList leaves = three_leaves();
  const auto message_of = [&](optim::ParameterGroups groups) {
    return error_of([&] { optim::AdamW(leaves, {.groups = std::move(groups)}); });
  };
  CHECK(has_parts(message_of({{.matches = optim::named("*mpl*")}}), {"adamw: group 0 gets no parameter"}));
  CHECK(has_parts(message_of({{.matches = optim::named("*")}, {.matches = optim::named("*norm*")}}),
                  {"group 1 gets no parameter", "no group before it"}));
  CHECK(has_parts(message_of({{.matches = optim::named("*"), .rate = -1}}), {"rate of group 0", "not -1"}));
  CHECK(has_parts(message_of({{.matches = optim::named("*"), .weight_decay = -2}}), {"weight_decay of group 0", "-2"}));
  CHECK(has_parts(message_of({{.matches = {}}}), {"group 0 does not say"}));
}

TEST_CASE("a moving average has its closed form", "[optim][ema]") {
  for (const bool corrected : {false, true}) {
    const LeafPtr leaf = leaf_of("w", {1}, 1);
    leaf->data()[0] = 8;
    optim::Ema ema({leaf}, {.decay = 0.75, .bias_correction = corrected});
    // eₙ = dⁿ·e₀ + (1 − d)·Σ d^(n−k)·θ_k,  and over 1 − dⁿ without e₀ when corrected
    double expected = corrected ? 0 : 8;
    for (int k = 1; k <= 6; ++k) {
      leaf->data()[0] = static_cast<real>(k * k);
      ema.update();
      expected = 0.75 * expected + 0.25 * k * k;
      const auto scope = ema.values();
      CHECK(static_cast<double>(leaf->data()[0]) ==
            Approx(corrected ? expected / (1 - std::pow(0.75, k)) : expected).epsilon(1e-6));
    }
    CHECK(leaf->data()[0] == 36);
  }
}

TEST_CASE("a moving average that warms up forgets first values soon", "[optim][ema]") {
  const LeafPtr leaf = leaf_of("w", {1}, 1);
  leaf->data()[0] = 1;
  optim::Ema ema({leaf}, {.decay = 0.999, .warmup = true});
  leaf->data()[0] = 0;
  double expected = 1;
  for (int t = 1; t <= 20; ++t) {
    ema.update();
    expected *= (1.0 + t) / (10.0 + t);
  }
  const auto scope = ema.values();
  CHECK(static_cast<double>(leaf->data()[0]) == Approx(expected).epsilon(1e-5));
}

TEST_CASE("a moving average of values that stay is these values, to the bit, before its first update too",
          "[optim][ema]") {
  const ParameterList leaves = three_leaves();
  const auto before = values_of(leaves);
  for (const bool corrected : {false, true}) {
    optim::Ema ema(leaves, {.decay = 0.75, .bias_correction = corrected});
    const auto scope = ema.values();
    CHECK(test::same_bits(values_of(leaves), before));
  }
}

TEST_CASE("a moving average goes on bit for bit from its state, and allocates nothing", "[optim][ema]") {
  const auto change = [](const ParameterList& leaves, uint64_t seed) {
    for (const LeafPtr& leaf : leaves) std::ranges::copy(test::random_tensor(leaf->shape, seed).values(), leaf->data());
  };
  const ParameterList leaves = three_leaves();
  const optim::EmaOptions options{.decay = 0.9, .warmup = true, .bias_correction = true};
  optim::Ema ema(leaves, options);
  for (uint64_t step = 1; step < 4; ++step) change(leaves, step), ema.update();
  const ParameterList others = three_leaves();
  optim::Ema other(others, options);
  const optim::State taken = ema.state();
  other.load_state(taken);
  CHECK(other.updates() == 3);
  for (uint64_t step = 4; step < 8; ++step) {
    change(leaves, step), ema.update();
    change(others, step), other.update();
  }
  const auto a = ema.values();
  const auto b = other.values();
  CHECK(test::same_bits(values_of(leaves), values_of(others)));
  CHECK_FALSE(test::same_bits(taken[2].second, ema.state()[2].second));

  const int64_t allocations = pool_stats().system_allocations;
  optim::Ema third(leaves);
  for (int step = 0; step < 3; ++step) third.update();
  CHECK(pool_stats().system_allocations <= allocations + 3);
}

TEST_CASE("a moving average refuses what can not be meant", "[optim][ema][errors]") {
  const ParameterList leaves = three_leaves();
  CHECK(has_parts(error_of([&] { optim::Ema(leaves, {.decay = 1}); }), {"ema: decay", "below 1", "not 1"}));
  CHECK(has_parts(error_of([&] { optim::Ema({nullptr}); }), {"ema", "null"}));
  optim::Ema ema(leaves);
  {
    const auto scope = ema.values();
    CHECK(has_parts(error_of([&] { ema.update(); }), {"ema: update", "end their scope"}));
    CHECK(has_parts(error_of([&] { const auto second = ema.values(); }), {"scope that still lives"}));
  }
  ema.update();
  optim::State state = ema.state();
  state.pop_back();
  state.emplace_back("ema.value.other", Tensor::zeros({1}));
  CHECK(has_parts(error_of([&] { ema.load_state(state); }),
                  {"ema: this state does not fit", "missing: ema.value.blocks.0.norm.weight", "ema.value.other"}));
  CHECK(ema.updates() == 1);
}
