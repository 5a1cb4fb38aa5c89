// The laws of residual steps. Where a norm sits, and which path a constant scales, has been wrong in many public
// codebases: each law here fails for such a mistake, and the test's name says which.
#include <tape/nn/residual.h>

#include <cmath>

#include <tape/core/ops/elementwise.h>
#include <tape/core/tape.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Depth;
using nn::NormKind;
using nn::Scheme;
using nn::Sublayer;

constexpr int64_t width = 8;
constexpr double float_tolerance = 2e-6;

// One step of a scheme at 8 layers, where DeepNorm's α is 2, with norms whose weights are not 1 and 0.
nn::Residual step_of(Scheme scheme, NormKind kind, Sublayer sublayer = Sublayer::FeedForward, int64_t layer = 3) {
  nn::Residual step(nn::plan(scheme, Depth::decoder_only(8), layer, sublayer), kind, width);
  nn::initialize(step, Seed{1});
  for (const LeafPtr& leaf : nn::parameters(step)) {
    if (leaf->name.starts_with("norm")) randomize({leaf}, 7);
  }
  return step;
}

template <class Branch>
Tensor applied(const nn::Residual& step, const Tensor& x, const Branch& f) {
  return step(nn::Stream{x}, f).x;
}

Tensor zero_branch(const Tensor& x) {
  return Tensor::zeros(x.shape());
}

nn::Block random_block(const Choice& choice, uint64_t seed, int64_t layers = 6) {
  nn::Block block({.heads = 2, .width = width, .scheme = choice.scheme, .norm = choice.norm},
                  Depth::decoder_only(layers), layers / 2);
  nn::initialize(block, Seed{seed});
  randomize(nn::parameters(block), seed);
  return block;
}

struct Gradient {
  Tensor y, dx;
};
Gradient gradient_of(const nn::Block& block, const Tensor& x, const Tensor& dy) {
  Tape tape;
  const Tensor in = tape.watch(x);
  const Tensor y = block(in, {.causal = true}, nn::evaluation());
  tape.backward(y, dy);
  return {y, tape.grad(in)};
}

const std::vector<NormKind> kinds = {NormKind::Layer, NormKind::RMS};

}  // namespace

TEST_CASE("With a silent branch a Pre-LN sublayer is the identity, bit for bit", "[nn][residual]") {
  for (const NormKind kind : kinds) {
    const Tensor x = random_tensor({2, 3, width}, 2, -5, 5);
    for (const Scheme scheme : {Scheme::PreLN, Scheme::SubLN, Scheme::LayerNormScaling, Scheme::LayerScale,
                                Scheme::ReZero, Scheme::Parallel, Scheme::TFixup}) {
      INFO(nn::name_of(scheme));
      CHECK(same_bits(applied(step_of(scheme, kind), x, zero_branch), x));
    }
  }
}

TEST_CASE("With a silent branch a Post-LN sublayer is the norm, and DeepNorm the norm of αx", "[nn][residual]") {
  for (const NormKind kind : kinds) {
    const Tensor x = random_tensor({2, 3, width}, 2, -5, 5);
    const nn::Residual post = step_of(Scheme::PostLN, kind);
    CHECK(same_bits(applied(post, x, zero_branch), (*post.norm_sum)(x)));
    const nn::Residual deep = step_of(Scheme::DeepNorm, kind);
    CHECK(deep.slots.skip == Approx(2).epsilon(1e-12));
    CHECK(same_bits(applied(deep, x, zero_branch), (*deep.norm_sum)(scale(x, deep.slots.skip))));
  }
}

TEST_CASE("Doubling the branch doubles y - x of a Pre-LN sublayer, and of none that normalises the sum",
          "[nn][residual]") {
  const Tensor x = random_tensor({2, 3, width}, 2);
  const auto change = [&](Scheme scheme, double factor) {
    const auto branch = [&](const Tensor& input) { return scale(multiply(input, input), factor); };
    return applied(step_of(scheme, NormKind::Layer), x, branch) - x;
  };
  CHECK(difference(change(Scheme::PreLN, 2), scale(change(Scheme::PreLN, 1), 2)) < float_tolerance);
  for (const Scheme scheme : {Scheme::PostLN, Scheme::DeepNorm, Scheme::DeepNormArticle, Scheme::Admin, Scheme::KEEL}) {
    INFO(nn::name_of(scheme));
    CHECK(difference(change(scheme, 2), scale(change(scheme, 1), 2)) > 0.01);
  }
}

TEST_CASE("Doubling the branch changes nothing where its output is normalised", "[nn][residual]") {
  const Tensor x = random_tensor({2, 3, width}, 2, -3, 3);
  for (const Scheme scheme : {Scheme::SandwichLN, Scheme::PeriLN, Scheme::OLMo2}) {
    INFO(nn::name_of(scheme));
    const nn::Residual step = step_of(scheme, NormKind::RMS);
    const auto branch = [&](double factor) {
      return [=](const Tensor& input) { return scale(multiply(input, input), factor); };
    };
    CHECK(difference(applied(step, x, branch(200)), applied(step, x, branch(100))) < 1e-5);
  }
}

TEST_CASE("The branch sees the norm of the stream where a scheme says so, and elsewhere the stream itself",
          "[nn][residual]") {
  const Tensor x = random_tensor({2, 3, width}, 2);
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    INFO(row.name);
    const nn::Residual step = step_of(row.scheme, NormKind::Layer);
    Tensor seen;
    applied(step, x, [&](const Tensor& input) {
      seen = input;
      return input;
    });
    switch (row.scheme) {
      case Scheme::PostLN:
      case Scheme::DeepNorm:
      case Scheme::DeepNormArticle:
      case Scheme::OLMo2:
      case Scheme::Admin:
      case Scheme::ResiDual:
      case Scheme::ReZero:
      case Scheme::TFixup:
        CHECK(same_bits(seen, x));
        break;
      case Scheme::HybridNorm:
        CHECK(same_bits(seen, (*step.norm_stream)(x)));
        break;
      case Scheme::LayerNormScaling:  // the fourth block
        CHECK(difference(seen, scale((*step.norm_input)(x), 0.5)) < float_tolerance);
        break;
      default:
        CHECK(same_bits(seen, (*step.norm_input)(x)));
    }
  }
}

TEST_CASE(
    "DeepNorm has α on the skip connection, not on the branch as labml has it, and the article's form is the other",
    "[nn][residual]") {
  const Tensor x = random_tensor({2, 3, width}, 2);
  const Tensor g = random_tensor({2, 3, width}, 3);
  const auto branch = [&](const Tensor&) { return g; };
  const nn::Residual paper = step_of(Scheme::DeepNorm, NormKind::Layer);
  const double alpha = paper.slots.skip;
  CHECK(difference(applied(paper, x, branch), (*paper.norm_sum)(scale(x, alpha) + g)) < float_tolerance);
  CHECK(difference(applied(paper, x, branch), (*paper.norm_sum)(x + scale(g, alpha))) > 0.1);
  const nn::Residual article = step_of(Scheme::DeepNormArticle, NormKind::Layer);
  CHECK(article.slots.skip == 1);
  CHECK(difference(applied(article, x, branch), (*article.norm_sum)(x + scale(g, 0.8))) < float_tolerance);
}

TEST_CASE("DeepNorm's αx + G is the same as x + G/α, with ε divided by α²", "[nn][residual]") {
  // The norm does not see the scale of its input, so α brakes the branch by 1/α; multiplying the branch by α instead
  // does the opposite.
  const Tensor x = random_tensor({4, width}, 2);
  const Tensor g = random_tensor({4, width}, 3);
  for (const NormKind kind : kinds) {
    for (const double alpha : {1.861, 3.162, 6.687}) {
      nn::NormConfig config = kind;
      config.eps = 1e-2;
      nn::Residual on_skip({.norm_sum = true, .skip = alpha}, config, width);
      config.eps /= alpha * alpha;
      nn::Residual on_branch({.norm_sum = true, .branch = 1 / alpha}, config, width);
      for (const nn::Residual* step : {&on_skip, &on_branch}) {
        nn::initialize(*step, Seed{1});
        randomize(nn::parameters(*step), 7);
      }
      const auto branch = [&](const Tensor&) { return g; };
      CHECK(difference(applied(on_skip, x, branch), applied(on_branch, x, branch)) < float_tolerance);
    }
  }
}

TEST_CASE("Learned gains stand where the papers have them: ω on Admin's skip, λ and ReZero's α on the branch",
          "[nn][residual]") {
  const Tensor x = random_tensor({2, 3, width}, 2);
  const Tensor g = random_tensor({2, 3, width}, 3);
  const auto branch = [&](const Tensor&) { return g; };
  const auto put = [](const Parameter& gain, real value) { std::fill_n(gain->data(), gain->size(), value); };

  const nn::Residual admin = step_of(Scheme::Admin, NormKind::Layer);
  CHECK(admin.skip_gain->size() == width);
  CHECK(static_cast<double>(admin.skip_gain->data()[0]) == Approx(std::sqrt(17 / std::log(17.0) - 1)).epsilon(1e-6));
  put(admin.skip_gain, 3);
  CHECK(difference(applied(admin, x, branch), (*admin.norm_sum)(scale(x, 3) + g)) < float_tolerance);

  const nn::Residual layer_scale = step_of(Scheme::LayerScale, NormKind::Layer);
  CHECK(layer_scale.branch_gain->size() == width);
  put(layer_scale.branch_gain, 0.25);
  CHECK(difference(applied(layer_scale, x, branch), x + scale(g, 0.25)) < float_tolerance);

  const nn::Residual rezero = step_of(Scheme::ReZero, NormKind::Layer);
  CHECK(rezero.branch_gain->size() == 1);
  CHECK(same_bits(applied(rezero, x, branch), x));  // the identity at the start
  put(rezero.branch_gain, -2);
  CHECK(difference(applied(rezero, x, branch), x - scale(g, 2)) < float_tolerance);
}

TEST_CASE("ResiDual's second stream is the plain sum of embedding and branches", "[nn][residual]") {
  const Tensor x = random_tensor({2, 3, width}, 2);
  const nn::Residual step = step_of(Scheme::ResiDual, NormKind::Layer);
  const auto square = [](const Tensor& input) { return multiply(input, input); };
  const nn::Stream out = step({x, x}, square);
  CHECK(difference(out.x, (*step.norm_sum)(x + square(x))) < float_tolerance);
  CHECK(same_bits(out.sum, x + square(x)));
  const nn::Stream next = step(out, square);
  CHECK(same_bits(next.sum, out.sum + square(out.x)));
}

TEST_CASE("A block uses its scheme's α in both sublayers", "[nn][residual]") {
  for (const NormKind kind : kinds) {
    const nn::Block block = random_block({Scheme::DeepNorm, kind}, 3, 24);
    const Tensor x = random_tensor({2, 3, width}, 4);
    const nn::AttentionMask mask{.causal = true};
    const double alpha = std::pow(48.0, 0.25);
    const Tensor mid = (*block.attn_residual.norm_sum)(scale(x, alpha) + block.attn(x, mask, nn::evaluation()));
    const Tensor expected = (*block.mlp_residual->norm_sum)(scale(mid, alpha) + block.mlp(mid, nn::evaluation()));
    CHECK(difference(block(x, mask, nn::evaluation()), expected) < float_tolerance);
  }
}

TEST_CASE("With silent branches a Pre-LN block passes its input and the gradient unchanged", "[nn][residual]") {
  for (const NormKind kind : kinds) {
    const Tensor x = random_tensor({2, 3, width}, 4);
    const Tensor dy = cotangent(x.shape(), 5);
    const nn::Block pre = random_block({Scheme::PreLN, kind}, 3);
    silence_branches(pre);
    const Gradient through_pre = gradient_of(pre, x, dy);
    CHECK(same_bits(through_pre.y, x));
    CHECK(same_bits(through_pre.dx, dy));

    for (const Scheme scheme : {Scheme::PostLN, Scheme::DeepNorm}) {
      const nn::Block other = random_block({scheme, kind}, 3);
      silence_branches(other);
      CHECK(difference(gradient_of(other, x, dy).dx, dy) > 0.1);
    }
  }
}

TEST_CASE("A Pre-LN block's gradient is the cotangent plus what comes through the branches", "[nn][residual]") {
  const Tensor x = random_tensor({2, 3, width}, 4);
  const Tensor dy = cotangent(x.shape(), 5);
  // Weak branches: what is left of the gradient's distance to dy is proportional to them.
  const auto distance = [&](double factor) {
    const nn::Block weak = random_block({Scheme::PreLN, NormKind::Layer}, 3);
    for (const char* name : {"attn.out.weight", "mlp.down.weight"}) {
      const LeafPtr leaf = parameter_named(nn::parameters(weak), name);
      for (int64_t i = 0; i < leaf->size(); ++i) leaf->data()[i] *= static_cast<real>(factor);
    }
    return difference(gradient_of(weak, x, dy).dx, dy);
  };
  CHECK(distance(1) > 0.1);
  CHECK(distance(1e-2) / distance(1e-3) == Approx(10).epsilon(0.05));
}

TEST_CASE("With silent branches a Post-LN block's gradient is the product of its norms' Jacobians", "[nn][residual]") {
  for (const NormKind kind : kinds) {
    const Tensor x = random_tensor({2, 3, width}, 4);
    const Tensor dy = cotangent(x.shape(), 5);
    const nn::Block block = random_block({Scheme::PostLN, kind}, 3);
    silence_branches(block);
    Tape tape;
    const Tensor in = tape.watch(x);
    const Tensor y = (*block.mlp_residual->norm_sum)((*block.attn_residual.norm_sum)(in));
    tape.backward(y, dy);
    CHECK(difference(gradient_of(block, x, dy).dx, tape.grad(in)) < float_tolerance);
  }
}

}  // namespace tape::inline TAPE_ABI::test
