// Mixtures of experts: the laws of routing. The load-balancing loss and training have a file of their own.
#include <algorithm>

#include <tape/core/ops.h>
#include <tape/core/probe.h>

#include "catch.h"
#include "support/mixtures.h"
#include "support/temp_folder.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::FeedForward;
using nn::FeedForwardConfig;
using nn::MixtureConfig;

constexpr int64_t width = 6;
constexpr int64_t hidden = 10;

// The same mixture with every expert computed for every token: y = Σ_e g_e·expert_e(x), where g is the softmax of the
// scores, zero where a token did not choose, divided by its sum.
Tensor dense_mixture(const nn::Mixture& mixture, const Tensor& x) {
  const int64_t experts = mixture.config.experts;
  const Tensor scores = mixture.router(x);
  const Ids chosen = top_k(scores, mixture.config.per_token);
  Tensor mask = Tensor::zeros(scores.shape());
  for (int64_t i = 0; i < chosen.size(); ++i) {
    mask.mutable_data()[i / mixture.config.per_token * experts + chosen.data()[i]] = 1;
  }
  const Tensor kept = softmax(scores) * mask;
  const auto across = [](const Tensor& column, int64_t columns) {
    return matmul(reshape(column, {-1, 1}), Tensor::full({1, columns}, 1));
  };
  const Tensor weights = kept / across(sum_last(kept), experts);
  Tensor y;
  for (int64_t e = 0; e < experts; ++e) {
    const Tensor gate = across(slice(weights, -1, e, e + 1), x.last());
    const Tensor part = mixture.experts[static_cast<std::size_t>(e)](x) * gate;
    y = y ? y + part : part;
  }
  return y;
}

void copy_network(const nn::MLP& from, const nn::MLP& to) {
  const ParameterList a = nn::parameters(from);
  const ParameterList b = nn::parameters(to);
  for (std::size_t i = 0; i < a.size(); ++i) std::copy_n(a[i]->data(), a[i]->size(), b[i]->data());
}

// Probabilities that the tap shows.
Tensor router_probabilities(const FeedForward& mlp, const Tensor& x) {
  Tensor seen;
  const Probe probe([&](const std::string& name, Pass pass, const Tensor& t) {
    if (name == "mlp.hook_router" && pass == Pass::forward) seen = t;
  });
  mlp(x, nn::evaluation());
  return seen;
}

}  // namespace

TEST_CASE("A mixture equals all experts on all tokens, weighted by a mask", "[nn][mixture][twins]") {
  for (const MixtureConfig& mixture :
       {MixtureConfig{.experts = 1, .per_token = 1}, MixtureConfig{.experts = 3},
        MixtureConfig{.experts = 8, .per_token = 3}, MixtureConfig{.experts = 20, .per_token = 2},
        MixtureConfig{.experts = 4, .per_token = 4}}) {
    for (const bool norm_hidden : {false, true}) {
      INFO(mixture.experts << " experts, " << mixture.per_token << " per token, norm " << norm_hidden);
      FeedForwardConfig config = mixture_config(mixture);
      config.norm_hidden = norm_hidden;
      const FeedForward mlp = random_feed_forward(config, 1);
      const Tensor x = random_tensor({37, width}, 2, -2, 2);
      const Differentiated routed = differentiated(mlp, x, [&](const Tensor& in) { return mlp(in, nn::evaluation()); });
      const Differentiated masked =
          differentiated(mlp, x, [&](const Tensor& in) { return dense_mixture(*mlp.mixture, in); });
      CHECK(difference(routed.y, masked.y) < 3e-6);
      CHECK(difference(routed.dx, masked.dx) < 1e-5);
      for (std::size_t i = 0; i < routed.gradients.size(); ++i) {
        INFO("gradient of " << nn::parameters(mlp)[i]->name);
        CHECK(difference(routed.gradients[i], masked.gradients[i], 1) < 1e-5);
      }
    }
  }
}

TEST_CASE("Softmax over the chosen scores equals softmax over all, divided by its sum over the chosen",
          "[nn][mixture]") {
  const Tensor scores = random_tensor({50, 8}, 3, -5, 5);
  const Ids chosen = top_k(scores, 3);
  const Tensor over_all = gather_last(softmax(scores), chosen);
  const Tensor sums = matmul(reshape(sum_last(over_all), {50, 1}), Tensor::full({1, 3}, 1));
  CHECK(difference(softmax(gather_last(scores, chosen)), over_all / sums) < 1e-6);
}

TEST_CASE("A mixture of copies of one network equals that network", "[nn][mixture]") {
  for (const int64_t per_token : {1, 2, 5}) {
    const FeedForward mlp = random_feed_forward(mixture_config({.experts = 5, .per_token = per_token}), 4);
    const nn::MLP& first = mlp.mixture->experts[0];
    for (const nn::MLP& expert : mlp.mixture->experts) copy_network(first, expert);
    const Tensor x = random_tensor({3, 7, width}, 5);
    CHECK(difference(mlp(x, nn::evaluation()), first(x)) < 1e-6);
  }
}

TEST_CASE("The order of the experts does not matter when the router's rows move with them", "[nn][mixture]") {
  const FeedForward a = random_feed_forward(mixture_config({.experts = 4}), 6);
  const FeedForward b = random_feed_forward(mixture_config({.experts = 4}), 7);
  const std::size_t order[] = {2, 0, 3, 1};
  for (std::size_t e = 0; e < 4; ++e) {
    copy_network(a.mixture->experts[order[e]], b.mixture->experts[e]);
    std::copy_n(a.mixture->router.weight->data() + order[e] * width, width,
                b.mixture->router.weight->data() + e * width);
  }
  const Tensor x = random_tensor({40, width}, 8);
  CHECK(difference(a(x, nn::evaluation()), b(x, nn::evaluation())) < 2e-6);
  CHECK(balance_of(a, x).item() == Approx(balance_of(b, x).item()).epsilon(1e-6));
}

TEST_CASE("Every token reaches exactly per_token experts, the most probable ones, whatever the load", "[nn][mixture]") {
  for (const bool one_sided : {false, true}) {
    const FeedForward mlp = random_feed_forward(mixture_config({.experts = 5, .per_token = 2}), 9);
    const Tensor x = random_tensor({60, width}, 10, 0.1, 1);
    // On one side experts 3 and 1 have the highest score for every token: nothing is dropped all the same.
    if (one_sided) set_router(mlp, {0, 2, 0, 3, 0});
    // Each expert's output is a constant of its own, so that the output of the mixture tells who was asked.
    for (std::size_t e = 0; e < 5; ++e) {
      const nn::MLP& expert = mlp.mixture->experts[e];
      std::fill_n(expert.down.weight->data(), width * hidden, real{0});
      for (int64_t c = 0; c < width; ++c)
        expert.down.bias->data()[c] = c == static_cast<int64_t>(e) ? real{1} : real{0};
    }
    const Tensor weights = mlp(x, nn::evaluation());  // column e: the weight of expert e
    const Tensor probabilities = router_probabilities(mlp, x);
    REQUIRE(probabilities.shape() == Shape{60, 5});
    for (int64_t r = 0; r < 60; ++r) {
      const real* w = weights.data() + r * width;
      const real* p = probabilities.data() + r * 5;
      CHECK(std::count_if(w, w + 5, [](real v) { return v > 0; }) == 2);
      CHECK(w[0] + w[1] + w[2] + w[3] + w[4] == Approx(1));
      for (int i = 0; i < 5; ++i) {
        for (int j = 0; j < 5; ++j) CHECK((w[i] == 0 || w[j] > 0 || p[i] >= p[j]));
      }
      if (one_sided) CHECK((w[3] > 0 && w[1] > 0));
    }
  }
}

TEST_CASE("A token's result does not depend on the others", "[nn][mixture]") {
  const FeedForward mlp = random_feed_forward(mixture_config({.experts = 4}), 11);
  const Tensor x = random_tensor({20, width}, 12);
  const Tensor all = mlp(x, nn::evaluation());
  for (const int64_t r : {0, 7, 19}) {
    CHECK(difference(mlp(slice(x, 0, r, r + 1), nn::evaluation()), slice(all, 0, r, r + 1)) < 1e-6);
  }
  CHECK(mlp(Tensor::zeros({0, width}), nn::evaluation()).shape() == Shape{0, width});
}

TEST_CASE("The parameters of a mixture: names, count, and which are routed", "[nn][mixture]") {
  const FeedForward mlp = random_feed_forward(mixture_config({.experts = 3}), 13);
  const ParameterList parameters = nn::parameters(mlp);
  CHECK(nn::count(parameters) == 3 * width + 3 * (3 * width * hidden + 2 * hidden + width));
  CHECK(parameters[0]->name == "router.weight");
  CHECK(parameters[1]->name == "experts.0.up.weight");
  CHECK(parameters.back()->name == "experts.2.down.bias");
  for (const LeafPtr& leaf : parameters) CHECK(leaf->routed == leaf->name.starts_with("experts."));
  CHECK_FALSE(nn::parameters(FeedForward({.width = width}, {}))[0]->routed);
}

TEST_CASE("A mixture is saved and loaded", "[nn][mixture]") {
  const TempFolder folder;
  const FeedForward a = random_feed_forward(mixture_config({.experts = 3}), 27);
  const FeedForward b = random_feed_forward(mixture_config({.experts = 3}), 28);
  const Tensor x = random_tensor({9, width}, 29);
  nn::save(folder / "mixture.safetensors", a);
  nn::load(folder / "mixture.safetensors", b);
  CHECK(same_bits(a(x, nn::evaluation()), b(x, nn::evaluation())));
}

TEST_CASE("The number of threads changes no bit of a mixture", "[nn][mixture][no-asan]") {
  FeedForwardConfig config = mixture_config({.experts = 5, .per_token = 3});
  config.width = 70;
  config.hidden = 130;
  const FeedForward mlp = random_feed_forward(config, 30);
  const Tensor x = random_tensor({700, 70}, 31);
  const auto run = [&](int count) {
    const Threads guard(count);
    return differentiated(mlp, x, [&](const Tensor& in) {
      nn::AuxiliaryLosses losses;
      const Tensor y = mlp(in, nn::training(1).collecting(losses));
      return concatenate({reshape(y, {-1}), reshape(losses.total(), {1})}, 0);
    });
  };
  const Differentiated one = run(1);
  for (int count = 2; count <= 4; ++count) {
    const Differentiated many = run(count);
    CHECK(same_bits(many.y, one.y));
    CHECK(same_bits(many.dx, one.dx));
    for (std::size_t i = 0; i < one.gradients.size(); ++i) CHECK(same_bits(many.gradients[i], one.gradients[i]));
  }
}

}  // namespace tape::inline TAPE_ABI::test
