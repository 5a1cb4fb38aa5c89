// The laws of the residual schemes. Where a norm sits, and which path a constant scales, has been wrong in many public
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

using nn::NormKind;
using nn::Scheme;

// A norm whose weight and bias are not 1 and 0.
nn::Norm random_norm(NormKind kind, int64_t width, uint64_t seed, double eps = 1e-5) {
  nn::NormConfig config(kind);
  config.eps = eps;
  nn::Norm norm(config, width);
  nn::initialize(norm, Seed{1});
  randomize(nn::parameters(norm), seed);
  return norm;
}

Tensor zero_branch(const Tensor& x) {
  return Tensor::zeros(x.shape());
}

nn::Block random_block(const Choice& choice, uint64_t seed, int64_t layers = 6) {
  nn::Block block({.layers = layers, .width = 8, .heads = 2, .scheme = choice.scheme, .norm = choice.norm},
                  nn::scheme_init(choice.scheme, layers));
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

int64_t norms_on(const Tape& tape, NormKind kind) {
  const std::string op = kind == NormKind::Layer ? "layer_norm" : "rms_norm";
  int64_t count = 0;
  for (int64_t i = 0; i < tape.size(); ++i) count += tape.node(i).op == op ? 1 : 0;
  return count;
}

constexpr double float_tolerance = 2e-6;

}  // namespace

TEST_CASE("With a silent branch a Pre-LN sublayer is the identity, bit for bit", "[nn][residual]") {
  for (const NormKind kind : {NormKind::Layer, NormKind::RMS}) {
    const nn::Norm norm = random_norm(kind, 8, 1);
    const Tensor x = random_tensor({2, 3, 8}, 2, -5, 5);
    CHECK(same_bits(nn::residual(Scheme::PreLN, 1, norm, x, zero_branch), x));
  }
}

TEST_CASE("With a silent branch a Post-LN sublayer is the norm, and DeepNorm the norm of αx", "[nn][residual]") {
  for (const NormKind kind : {NormKind::Layer, NormKind::RMS}) {
    const nn::Norm norm = random_norm(kind, 8, 1);
    const Tensor x = random_tensor({2, 3, 8}, 2, -5, 5);
    CHECK(same_bits(nn::residual(Scheme::PostLN, 1, norm, x, zero_branch), norm(x)));
    CHECK(same_bits(nn::residual(Scheme::DeepNorm, 2.5, norm, x, zero_branch), norm(scale(x, 2.5))));
  }
}

TEST_CASE("Doubling the branch doubles y - x of a Pre-LN sublayer, and of no other", "[nn][residual]") {
  const nn::Norm norm = random_norm(NormKind::Layer, 8, 1);
  const Tensor x = random_tensor({2, 3, 8}, 2);
  const auto change = [&](Scheme scheme, double factor) {
    const auto branch = [&](const Tensor& input) { return scale(multiply(input, input), factor); };
    return nn::residual(scheme, 1.5, norm, x, branch) - x;
  };
  CHECK(difference(change(Scheme::PreLN, 2), scale(change(Scheme::PreLN, 1), 2)) < float_tolerance);
  CHECK(difference(change(Scheme::PostLN, 2), scale(change(Scheme::PostLN, 1), 2)) > 0.05);
  CHECK(difference(change(Scheme::DeepNorm, 2), scale(change(Scheme::DeepNorm, 1), 2)) > 0.05);
}

TEST_CASE("The branch of a Pre-LN sublayer sees the normalised stream, those of the others the stream itself",
          "[nn][residual]") {
  const nn::Norm norm = random_norm(NormKind::Layer, 8, 1);
  const Tensor x = random_tensor({2, 3, 8}, 2);
  for (const Scheme scheme : {Scheme::PostLN, Scheme::PreLN, Scheme::DeepNorm}) {
    Tensor seen;
    nn::residual(scheme, 1.5, norm, x, [&](const Tensor& input) {
      seen = input;
      return input;
    });
    CHECK(same_bits(seen, scheme == Scheme::PreLN ? norm(x) : x));
  }
}

TEST_CASE("DeepNorm has α on the skip connection, not on the branch as labml has it", "[nn][residual]") {
  constexpr double alpha = 3;
  const nn::Norm norm = random_norm(NormKind::Layer, 8, 1);
  const Tensor x = random_tensor({2, 3, 8}, 2);
  const Tensor g = random_tensor({2, 3, 8}, 3);
  const Tensor y = nn::residual(Scheme::DeepNorm, alpha, norm, x, [&](const Tensor&) { return g; });
  CHECK(difference(y, norm(scale(x, alpha) + g)) < float_tolerance);
  CHECK(difference(y, norm(x + scale(g, alpha))) > 0.1);
}

TEST_CASE("DeepNorm's αx + G is the same as x + G/α, with ε divided by α²", "[nn][residual]") {
  // The norm does not see the scale of its input, so α brakes the branch by 1/α; multiplying the branch by α instead
  // does the opposite.
  constexpr double eps = 1e-2;
  const Tensor x = random_tensor({4, 8}, 2);
  const Tensor g = random_tensor({4, 8}, 3);
  for (const NormKind kind : {NormKind::Layer, NormKind::RMS}) {
    for (const double alpha : {1.861, 3.162, 6.687}) {
      const nn::Norm norm = random_norm(kind, 8, 1, eps);
      const nn::Norm rescaled = random_norm(kind, 8, 1, eps / (alpha * alpha));
      const Tensor y = nn::residual(Scheme::DeepNorm, alpha, norm, x, [&](const Tensor&) { return g; });
      CHECK(difference(y, rescaled(x + scale(g, 1 / alpha))) < float_tolerance);
    }
  }
}

TEST_CASE("A block uses its scheme's α in both sublayers", "[nn][residual]") {
  for (const NormKind kind : {NormKind::Layer, NormKind::RMS}) {
    const nn::Block block = random_block({Scheme::DeepNorm, kind}, 3, 24);
    const Tensor x = random_tensor({2, 3, 8}, 4);
    const nn::AttentionMask mask{.causal = true};
    const double alpha = std::pow(48.0, 0.25);
    const Tensor mid = block.norm1(scale(x, alpha) + block.attn(x, mask, nn::evaluation()));
    const Tensor expected = block.norm2(scale(mid, alpha) + block.mlp(mid, nn::evaluation()));
    CHECK(difference(block(x, mask, nn::evaluation()), expected) < float_tolerance);
  }
}

TEST_CASE("With silent branches a Pre-LN block passes its input and the gradient unchanged", "[nn][residual]") {
  for (const NormKind kind : {NormKind::Layer, NormKind::RMS}) {
    const Tensor x = random_tensor({2, 3, 8}, 4);
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
  const nn::Block block = random_block({Scheme::PreLN, NormKind::Layer}, 3);
  const Tensor x = random_tensor({2, 3, 8}, 4);
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

TEST_CASE("A model has 2L norms, and Pre-LN one more, which several codebases forgot", "[nn][residual]") {
  for (const Choice& choice : all_choices()) {
    for (const int64_t layers : {1, 2, 5}) {
      INFO(choice.name() << ", " << layers << " layers");
      const nn::GPT gpt(
          {.vocab = 5, .context = 3, .layers = layers, .width = 8, .scheme = choice.scheme, .norm = choice.norm},
          Seed{1});
      Tape tape;
      gpt(random_ids({1, 3}, 5, 1), nn::evaluation());
      const NormKind other = choice.norm == NormKind::Layer ? NormKind::RMS : NormKind::Layer;
      CHECK(norms_on(tape, choice.norm) == 2 * layers + (choice.scheme == Scheme::PreLN ? 1 : 0));
      CHECK(norms_on(tape, other) == 0);
    }
  }
}

TEST_CASE("The stream before the head is normalised in every scheme: a missing final norm would show",
          "[nn][residual]") {
  for (const Choice& choice : all_choices()) {
    INFO(choice.name());
    const nn::GPT gpt(
        {.vocab = 7, .context = 5, .layers = 3, .width = 32, .scheme = choice.scheme, .norm = choice.norm}, Seed{1});
    for (const LeafPtr& leaf : nn::parameters(gpt)) {  // a stream far from size 1
      if (leaf->name == "token_embedding.weight") {
        for (int64_t i = 0; i < leaf->size(); ++i) leaf->data()[i] *= 300;
      }
    }
    const Tensor features = gpt.features(random_ids({2, 5}, 7, 1), nn::evaluation());
    for (int64_t r = 0; r < features.rows(); ++r) {
      double squares = 0;
      for (int64_t c = 0; c < 32; ++c) squares += std::pow(static_cast<double>(features.data()[r * 32 + c]), 2);
      CHECK(squares / 32 == Approx(1).epsilon(1e-3));  // the weights of the norms are still 1
    }
    const std::string names = nn::describe(gpt);
    CHECK((names.find("final_norm.weight") != std::string::npos) == (choice.scheme == Scheme::PreLN));
  }
}

TEST_CASE("DeepNorm's constants are those of the paper, β with a negative exponent, unlike Mix-LN's",
          "[nn][residual]") {
  struct Row {
    int64_t layers;
    double alpha, beta;
  };
  // α = (2L)^¼ and β = (8L)^-¼ to the digits that are printed.
  constexpr Row table[] = {{6, 1.861, .380},   {12, 2.213, .319},  {24, 2.632, .269},  {50, 3.162, .224},
                           {100, 3.761, .188}, {200, 4.472, .158}, {500, 5.623, .126}, {1000, 6.687, .106}};
  for (const Row& row : table) {
    INFO(row.layers << " layers");
    const nn::SchemeConstants c = nn::scheme_constants(Scheme::DeepNorm, row.layers);
    CHECK(std::abs(c.alpha - row.alpha) < 0.0005 + 1e-9);
    CHECK(std::abs(c.beta - row.beta) < 0.0005 + 1e-9);
    const auto layers = static_cast<double>(row.layers);
    CHECK(c.alpha * c.alpha * c.alpha * c.alpha == Approx(2 * layers).epsilon(1e-12));
    CHECK(c.beta * c.beta * c.beta * c.beta == Approx(1 / (8 * layers)).epsilon(1e-12));
    CHECK(c.alpha > 1);
    CHECK(c.beta < 1);
    CHECK_FALSE(c.final_norm);
  }
  CHECK(nn::scheme_constants(Scheme::DeepNorm, 8).alpha == Approx(2).epsilon(1e-12));
  CHECK(nn::scheme_constants(Scheme::DeepNorm, 2).beta == Approx(0.5).epsilon(1e-12));
}

TEST_CASE("Post-LN and Pre-LN have constants 1 at any depth", "[nn][residual]") {
  for (const Scheme scheme : {Scheme::PostLN, Scheme::PreLN}) {
    for (const int64_t layers : {1, 12, 1000}) {
      const nn::SchemeConstants c = nn::scheme_constants(scheme, layers);
      CHECK(c.alpha == 1);
      CHECK(c.beta == 1);
      CHECK(c.final_norm == (scheme == Scheme::PreLN));
    }
  }
}

TEST_CASE("Schemes and norms have names, and an unknown one is answered with the list", "[nn][residual]") {
  for (const Choice& choice : all_choices()) {
    CHECK(nn::scheme(nn::name_of(choice.scheme)) == choice.scheme);
    CHECK(nn::norm_kind(nn::name_of(choice.norm)) == choice.norm);
  }
  CHECK(nn::name_of(Scheme::PreLN) == "pre");
  CHECK(has_parts(error_of([] { nn::scheme("foo"); }), {"unknown scheme \"foo\"", "post, pre, deepnorm"}));
  CHECK(has_parts(error_of([] { nn::norm_kind("Layer"); }), {"unknown norm \"Layer\"", "layer, rms"}));
}

}  // namespace tape::inline TAPE_ABI::test
