// What flows through a deep stack, forward and back, in every architecture: with silent branches only the norms of the
// scheme are left, and the law of each family is exact.
#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/norm.h>
#include <tape/core/probe.h>
#include <tape/core/tape.h>

#include <algorithm>
#include <cmath>

#include "catch.h"
#include "support/scheme_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Depth;
using nn::NormKind;
using nn::Scheme;

constexpr int64_t width = 8;
constexpr int64_t n = 12;
constexpr int64_t m = 9;
constexpr double tolerance = 1e-5;

// A stack whose branches return zeros, with norms whose weights are not 1 and 0.
nn::Stack silent_stack(Scheme scheme, NormKind norm, const Depth& depth) {
  nn::Stack stack({.heads = 2, .width = width, .hidden = 6, .scheme = scheme, .norm = norm}, depth);
  nn::initialize(stack, Seed{1});
  randomize(nn::parameters(stack), 2);
  silence_branches(stack);
  if (depth.has_cross_attention()) set_to_zero(nn::parameters(stack), "*cross.out.*");
  return stack;
}

struct Flow {
  Tensor y, dx;
};
template <class F>
Flow flow_of(const F& f) {
  Tape tape;
  const Tensor x = tape.watch(random_tensor({2, 3, width}, 3, -4, 4));
  const Tensor y = f(x);
  tape.backward(y, cotangent(y.shape(), 4));
  return {y, tape.grad(x)};
}
Flow flow_of(const nn::Stack& stack) {
  const nn::Memory memory{random_tensor({2, 5, width}, 5), {}};
  return flow_of([&](const Tensor& x) { return stack(x, {}, memory, nn::evaluation()); });
}

// The norm of the stack with these names before .weight and .bias, as a function.
std::function<Tensor(const Tensor&)> norm_of(const nn::Stack& stack, NormKind kind, const std::string& name) {
  const ParameterList list = nn::parameters(stack);
  const Tensor weight = value_of(parameter_named(list, name + ".weight"));
  if (kind == NormKind::RMS) return [=](const Tensor& x) { return rms_norm(x, weight); };
  const Tensor bias = value_of(parameter_named(list, name + ".bias"));
  return [=](const Tensor& x) { return layer_norm(x, weight, bias); };
}

template <class Check>
void for_each_stack(Scheme scheme, const Check& check) {
  for (const NormKind kind : {NormKind::Layer, NormKind::RMS}) {
    for (const Place& place : every_place(n, m)) {
      INFO(nn::name_of(scheme) << ", " << nn::name_of(kind) << ", " << place.name);
      check(silent_stack(scheme, kind, place.depth), kind, place.depth);
    }
  }
}

std::vector<std::string> residual_names(const Depth& depth) {
  if (depth.has_cross_attention()) return {"attn_residual", "cross_residual", "mlp_residual"};
  return {"attn_residual", "mlp_residual"};
}

}  // namespace

TEST_CASE("Pre-LN's identity path runs through the whole stack: with silent branches only the final norm is left",
          "[nn][scheme]") {
  for (const Scheme scheme : {Scheme::PreLN, Scheme::LayerNormScaling, Scheme::LayerScale, Scheme::Parallel}) {
    for_each_stack(scheme, [](const nn::Stack& stack, NormKind kind, const Depth&) {
      const Flow ours = flow_of(stack);
      const Flow norm = flow_of(norm_of(stack, kind, "final_norm"));
      CHECK(same_bits(ours.y, norm.y));
      CHECK(same_bits(ours.dx, norm.dx));
    });
  }
}

TEST_CASE("Schemes without norms are the identity with silent branches, forward and back", "[nn][scheme]") {
  for (const Scheme scheme : {Scheme::ReZero, Scheme::TFixup}) {
    for_each_stack(scheme, [](const nn::Stack& stack, NormKind, const Depth&) {
      const Flow ours = flow_of(stack);
      const Flow identity = flow_of([](const Tensor& x) { return scale(x, 1); });
      CHECK(same_bits(ours.y, identity.y));
      CHECK(same_bits(ours.dx, identity.dx));
    });
  }
}

TEST_CASE("Post-LN's gradient is the product of all its norms' Jacobians, DeepNorm's the same with α",
          "[nn][scheme][slow]") {
  for (const Scheme scheme : {Scheme::PostLN, Scheme::DeepNorm, Scheme::DeepNormArticle}) {
    for_each_stack(scheme, [&](const nn::Stack& stack, NormKind kind, const Depth& depth) {
      const double alpha = scheme == Scheme::DeepNorm ? nn::scheme_constants(scheme, depth).alpha : 1;
      const Flow ours = flow_of(stack);
      const Flow norms = flow_of([&](Tensor x) {
        for (int64_t layer = 0; layer < depth.layers(); ++layer) {
          for (const std::string& step : residual_names(depth)) {
            x = norm_of(stack, kind, str("blocks.", layer, ".", step, ".norm_sum"))(scale(x, alpha));
          }
        }
        return x;
      });
      CHECK(difference(ours.y, norms.y) < tolerance);
      CHECK(difference(ours.dx, norms.dx) < tolerance);
    });
  }
}

TEST_CASE("ResiDual keeps both paths: the chain of norms, and beside it one norm of the untouched embedding",
          "[nn][scheme]") {
  for_each_stack(Scheme::ResiDual, [](const nn::Stack& stack, NormKind kind, const Depth& depth) {
    const Flow ours = flow_of(stack);
    const Flow paths = flow_of([&](const Tensor& embedding) {
      Tensor x = embedding;
      for (int64_t layer = 0; layer < depth.layers(); ++layer) {
        for (const std::string& step : residual_names(depth)) {
          x = norm_of(stack, kind, str("blocks.", layer, ".", step, ".norm_sum"))(x);
        }
      }
      return x + norm_of(stack, kind, "final_norm")(embedding);
    });
    CHECK(difference(ours.y, paths.y) < tolerance);
    CHECK(difference(ours.dx, paths.dx) < tolerance);
  });
}

TEST_CASE("The final norm is there in encoder and decoder: PyTorch's first norm_first and others forgot it",
          "[nn][scheme]") {
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    INFO(row.name);
    const nn::EncoderDecoder model(
        {.vocab = 5, .context = 4, .layers = 2, .heads = 2, .width = width, .scheme = row.scheme}, Seed{1});
    for (const char* stack : {"encoder", "decoder"}) {
      const auto has = [&](const char* name) {
        return std::ranges::any_of(nn::parameters(model),
                                   [&](const LeafPtr& leaf) { return leaf->name == str(stack, ".", name, ".weight"); });
      };
      CHECK(has("final_norm") == row.final_norm);
      CHECK(has("embedding_norm") == row.embedding_norm);
    }
  }
}

TEST_CASE("What a Pre-LN decoder reads is normalised, however large the encoder's stream has grown", "[nn][scheme]") {
  for (const Scheme scheme : {Scheme::PreLN, Scheme::SandwichLN, Scheme::PeriLN, Scheme::LayerNormScaling,
                              Scheme::LayerScale, Scheme::MixLN, Scheme::Parallel}) {
    INFO(nn::name_of(scheme));
    const nn::EncoderDecoder model(
        {.vocab = 5, .context = 4, .layers = 3, .heads = 2, .width = width, .scheme = scheme}, Seed{1});
    for (const LeafPtr& leaf : nn::parameters(model)) {
      if (leaf->shape.rank() == 2) randomize({leaf}, 3, 5);
    }
    const Ids source = random_ids({2, 4}, 5, 6);
    const Tensor memory = model.encode(source, nn::evaluation()).features;
    for (int64_t row = 0; row < 8; ++row) {
      double sum = 0;
      double squares = 0;
      for (int64_t c = 0; c < width; ++c) {
        const double x = memory.data()[row * width + c];
        sum += x;
        squares += x * x;
      }
      CHECK(std::abs(sum) < 1e-4);
      CHECK(squares == Approx(width).epsilon(1e-3));
    }
  }
}

TEST_CASE(
    "The gradient of the last feed-forward weight falls as 1/√L under Pre-LN, as β/α under DeepNorm, and stays "
    "under Post-LN",
    "[nn][scheme][slow]") {
  // Theorem 1 of Xiong et al. 2020, at first values, all Xavier: placement is what differs. Four times as deep.
  const auto gradient_at = [](Scheme scheme, int64_t layers) {
    double sum = 0;
    for (const uint64_t seed : {1U, 2U, 3U, 4U}) {
      const nn::Stack stack({.heads = 2, .width = 48, .hidden = 48, .scheme = scheme}, Depth::encoder_only(layers));
      nn::name_parameters(stack);
      for (const LeafPtr& leaf : nn::parameters(stack)) {
        if (leaf->init.kind != Init::Kind::normal) continue;
        leaf->init = nn::xavier_normal();
        if (leaf->name.ends_with("qkv.weight")) leaf->init.row_gains = {1, 1, 1};
      }
      nn::initialize(stack, Seed{seed});
      Tape tape;
      const Tensor x = random_tensor({4, 12, 48}, seed, -1.7, 1.7);
      const Tensor y = stack(x, {}, {}, nn::evaluation());
      tape.backward(y, cotangent(y.shape(), seed + 10));
      const std::string last = str("blocks.", layers - 1, ".mlp.down.weight");
      sum += statistics(parameter_named(nn::parameters(stack), last)->gradient_tensor()).rms;
    }
    return sum;
  };
  const auto ratio_of = [&](Scheme scheme) { return gradient_at(scheme, 32) / gradient_at(scheme, 8); };
  CHECK(ratio_of(Scheme::PreLN) == Approx(0.5).epsilon(0.15));
  CHECK(ratio_of(Scheme::DeepNorm) == Approx(0.5).epsilon(0.15));
  CHECK(ratio_of(Scheme::PostLN) == Approx(1).epsilon(0.15));
}

}  // namespace tape::inline TAPE_ABI::test
