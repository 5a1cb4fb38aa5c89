// Gradients of whole blocks and of whole models against finite differences: what the single ops can not show, such as a
// branch that is added twice, a norm that saw the wrong tensor, or a gradient that a tied weight loses.
#include <algorithm>
#include <cmath>

#include <tape/core/checkpoint.h>
#include <tape/core/ops/loss.h>
#include <tape/core/probe.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/gradcheck.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Activation;
using nn::Positions;

// Smallest |input| of the activation function of `block` at x: the distance to ReLU's corner.
double distance_to_corner(const nn::Block& block, const Tensor& x) {
  double smallest = 1;
  const Probe probe([&](const std::string& name, Pass, const Tensor& seen) {
    if (!name.ends_with("mlp.hook_pre")) return;
    for (const real v : seen.values()) smallest = std::min(smallest, std::abs(static_cast<double>(v)));
  });
  block(x, {.causal = true}, nn::evaluation());
  return smallest;
}

nn::Block random_block(const nn::ModelConfig& config, uint64_t seed) {
  nn::Block block(config, nn::Depth::decoder_only(config.layers), 1);
  nn::name_parameters(block);
  randomize(nn::parameters(block), seed);
  return block;
}

void check_block(const nn::Block& block, const Tensor& x, const nn::Context& context, GradCheckOptions options = {}) {
  const Function f = [&](const Inputs& in) { return block(in[0], {.causal = true}, nn::Context(context)); };
  check_gradients(f, {x}, nn::parameters(block), options);
}

// Gradients of the logits, with respect to all parameters.
void check_gpt(const nn::ModelConfig& config, uint64_t seed) {
  const nn::GPT gpt(config, Seed{seed});
  randomize(nn::parameters(gpt), seed);
  const Ids ids = random_ids({2, config.context}, static_cast<int32_t>(config.vocab), seed);
  check_gradients([&](const Inputs&) { return gpt(ids, nn::evaluation()); }, {}, nn::parameters(gpt));
}

nn::ModelConfig tiny() {
  return {.vocab = 7, .context = 5, .layers = 2, .heads = 2, .width = 8, .hidden = 12};
}

}  // namespace

TEST_CASE("The gradient of a block agrees with finite differences for every scheme and norm", "[gradient][nn]") {
  for (const Choice& choice : all_choices()) {
    for (const Activation activation : {Activation::GELU, Activation::GELUTanh, Activation::SwiGLU}) {
      DYNAMIC_SECTION(choice.name() << ", " << nn::name_of(activation)) {
        const nn::Block block = random_block({.layers = 3,
                                              .heads = 2,
                                              .width = 6,
                                              .hidden = 10,
                                              .scheme = choice.scheme,
                                              .norm = choice.norm,
                                              .activation = activation},
                                             40);
        check_block(block, random_tensor({2, 4, 6}, 41), nn::evaluation());
      }
    }
  }
}

TEST_CASE("The gradient of a block with ReLU agrees away from the corner", "[gradient][nn]") {
  for (const Choice& choice : all_choices()) {
    DYNAMIC_SECTION(choice.name()) {
      const nn::ModelConfig config{.layers = 3,
                                   .heads = 2,
                                   .width = 6,
                                   .hidden = 10,
                                   .scheme = choice.scheme,
                                   .norm = choice.norm,
                                   .activation = Activation::ReLU};
      const nn::Block block = random_block(config, 42);
      uint64_t seed = 100;
      while (distance_to_corner(block, random_tensor({2, 3, 6}, seed)) < 0.01 && seed < 1000) ++seed;
      const Tensor x = random_tensor({2, 3, 6}, seed);
      REQUIRE(distance_to_corner(block, x) >= 0.01);
      check_block(block, x, nn::evaluation(), {.step = 2e-4});
    }
  }
}

TEST_CASE("The gradient of a block agrees without biases, with one head, with rotary positions and with dropout",
          "[gradient][nn]") {
  nn::ModelConfig config{.layers = 3, .heads = 2, .width = 8, .hidden = 10};
  const nn::Context* context = nullptr;
  const nn::Context evaluation = nn::evaluation();
  const nn::Context training = nn::training(3);
  SECTION("no biases") {
    config.bias = false;
    context = &evaluation;
  }
  SECTION("one head") {
    config.heads = 1;
    context = &evaluation;
  }
  SECTION("rotary positions") {
    config.positions = Positions::Rotary;
    config.rotary_base = 10;
    context = &evaluation;
  }
  SECTION("dropout, with the same masks each time") {
    config.dropout = 0.3;
    context = &training;
  }
  check_block(random_block(config, 43), random_tensor({2, 4, 8}, 44), *context);
}

TEST_CASE("The gradient of cross-attention agrees for both inputs", "[gradient][nn]") {
  nn::CrossAttention attention({.width = 6, .heads = 2}, {.base = nn::xavier_normal()});
  nn::name_parameters(attention);
  randomize(nn::parameters(attention), 45);
  const nn::AttentionMask mask{.key_lengths = Ids::from({2}, {5, 3})};
  const Function f = [&](const Inputs& x) { return attention(x[0], x[1], mask, nn::evaluation()); };
  check_gradients(f, {random_tensor({2, 3, 6}, 46), random_tensor({2, 5, 6}, 47)}, nn::parameters(attention));
}

TEST_CASE("The gradient of a GPT agrees for every scheme and norm", "[gradient][nn]") {
  for (const Choice& choice : all_choices()) {
    DYNAMIC_SECTION(choice.name()) {
      nn::ModelConfig config = tiny();
      config.scheme = choice.scheme;
      config.norm = choice.norm;
      check_gpt(config, 50);
    }
  }
}

TEST_CASE("The gradient of a GPT agrees for every kind of positions, tied and untied", "[gradient][nn]") {
  for (const Positions positions : {Positions::Learned, Positions::Sinusoidal, Positions::Rotary}) {
    for (const bool tied : {true, false}) {
      DYNAMIC_SECTION(nn::name_of(positions) << (tied ? ", tied" : ", untied")) {
        nn::ModelConfig config = tiny();
        config.positions = positions;
        config.tied = tied;
        check_gpt(config, 51);
      }
    }
  }
}

TEST_CASE("The gradient of a GPT's loss agrees, with and without recomputation, with dropout", "[gradient][nn]") {
  const bool recompute = GENERATE(false, true);
  INFO("recomputation " << recompute);
  nn::ModelConfig config = tiny();
  config.dropout = 0.2;
  config.recompute = recompute;
  const nn::GPT gpt(config, Seed{1});
  randomize(nn::parameters(gpt), 52);
  const Ids ids = random_ids({3, 5}, 7, 53);
  const Ids targets = random_ids({3, 5}, 7, 54);
  const auto loss = [&](const Inputs&) { return cross_entropy(gpt(ids, nn::training(9)), targets); };
  check_gradients(loss, {}, nn::parameters(gpt));
}

}  // namespace tape::inline TAPE_ABI::test
