// Feed-forward with one network: activations, gates, the norm inside, and what it refuses. Mixtures have a file of
// their own.
#include <cmath>
#include <limits>

#include <tape/core/ops.h>
#include <tape/core/probe.h>

#include "catch.h"
#include "support/mixtures.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Activation;
using nn::FeedForward;
using nn::FeedForwardConfig;

constexpr Activation all_activations[] = {Activation::ReLU,        Activation::GELU, Activation::GELUTanh,
                                          Activation::SquaredReLU, Activation::SiLU, Activation::SwiGLU,
                                          Activation::GeGLU,       Activation::ReGLU};

// The formulas of the papers, in double.
double gelu_of(double x) {
  return x * std::erfc(-x / std::sqrt(2.0)) / 2;
}
double silu_of(double x) {
  return x / (1 + std::exp(-x));
}
double formula(Activation kind, double up, double gate) {
  switch (kind) {
    case Activation::ReLU:
      return std::max(up, 0.0);
    case Activation::GELU:
      return gelu_of(up);
    case Activation::GELUTanh:
      return up / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (up + 0.044715 * up * up * up)));
    case Activation::SquaredReLU:
      return up > 0 ? up * up : 0;
    case Activation::SiLU:
      return silu_of(up);
    case Activation::SwiGLU:
      return silu_of(gate) * up;
    case Activation::GeGLU:
      return gelu_of(gate) * up;
    case Activation::ReGLU:
      return std::max(gate, 0.0) * up;
  }
  return 0;
}

}  // namespace

TEST_CASE("Gated activations have as many weights as the others, up to rounding to 8", "[nn][feed_forward]") {
  for (const Activation kind : all_activations) {
    for (const int64_t width : {8, 96, 100, 128, 768}) {
      const int64_t hidden = nn::default_hidden(kind, width);
      if (!nn::is_gated(kind)) {
        CHECK(hidden == 4 * width);
        continue;
      }
      CHECK(hidden % 8 == 0);
      CHECK(3 * hidden >= 8 * width);
      CHECK(3 * (hidden - 8) < 8 * width);
    }
  }
}

TEST_CASE("Every activation computes its formula", "[nn][feed_forward]") {
  for (const Activation kind : all_activations) {
    INFO(nn::name_of(kind));
    const FeedForward mlp = random_feed_forward({.activation = kind, .width = 3, .hidden = 5}, 2);
    const nn::MLP& network = *mlp.dense;
    CHECK(network.gate.has_value() == nn::is_gated(kind));
    const Tensor x = random_tensor({4, 3}, 3, -2, 2);
    const Tensor up = network.up(x);
    const Tensor gate = network.gate ? (*network.gate)(x) : up;
    Tensor hidden = Tensor::zeros(up.shape());
    for (int64_t i = 0; i < up.size(); ++i) {
      hidden.mutable_data()[i] = static_cast<real>(formula(kind, up.data()[i], gate.data()[i]));
    }
    CHECK(difference(mlp(x, nn::evaluation()), network.down(hidden)) < 2e-6);
    CHECK(nn::activation(nn::name_of(kind)) == kind);
  }
  CHECK(has_parts(error_of([] { nn::activation("gleu"); }),
                  {"unknown activation \"gleu\"", "relu, gelu, gelu_tanh, squared_relu, silu, swiglu, geglu, reglu"}));
}

TEST_CASE("The norm inside feed-forward sees what goes into the last layer", "[nn][feed_forward]") {
  for (const Activation kind : {Activation::GELU, Activation::GeGLU}) {
    for (const nn::NormKind norm : {nn::NormKind::Layer, nn::NormKind::RMS}) {
      const FeedForward mlp =
          random_feed_forward({.activation = kind, .width = 3, .hidden = 5, .norm_hidden = true, .norm = norm}, 4);
      const nn::MLP& network = *mlp.dense;
      const Tensor x = random_tensor({4, 3}, 5, -2, 2);
      const Tensor hidden = network.gate ? geglu((*network.gate)(x), network.up(x)) : gelu(network.up(x));
      CHECK(same_bits(mlp(x, nn::evaluation()), network.down((*network.hidden_norm)(hidden))));
      CHECK(parameter_named(nn::parameters(mlp), "hidden_norm.weight")->shape == Shape{5});
    }
  }
}

TEST_CASE("A feed-forward with a norm inside does not see the scale of positive homogeneous activations",
          "[nn][feed_forward]") {
  nn::NormConfig exact = nn::NormKind::RMS;
  exact.eps = 0;
  for (const Activation kind : {Activation::ReLU, Activation::SquaredReLU, Activation::ReGLU}) {
    const FeedForward mlp = random_feed_forward(
        {.activation = kind, .width = 4, .hidden = 16, .bias = false, .norm_hidden = true, .norm = exact}, 6);
    const Tensor x = random_tensor({4, 4}, 7);
    CHECK(difference(mlp(scale(x, 3), nn::evaluation()), mlp(x, nn::evaluation())) < 2e-6);
  }
}

TEST_CASE("The parameters of feed-forward have the names that its files have", "[nn][feed_forward]") {
  const auto names = [](const FeedForwardConfig& config) {
    const FeedForward mlp(config, {});
    nn::name_parameters(mlp);
    std::vector<std::string> result;
    for (const LeafPtr& leaf : nn::parameters(mlp)) result.push_back(leaf->name);
    return result;
  };
  using Names = std::vector<std::string>;
  CHECK(names({.width = 4}) == Names{"up.weight", "up.bias", "down.weight", "down.bias"});
  CHECK(names({.activation = Activation::ReGLU, .width = 4, .bias = false, .norm_hidden = true}) ==
        Names{"up.weight", "gate.weight", "hidden_norm.weight", "hidden_norm.bias", "down.weight"});
}

TEST_CASE("Taps of feed-forward show the input and the output of the activation", "[nn][feed_forward]") {
  const FeedForward mlp = random_feed_forward(
      {.activation = Activation::SwiGLU, .width = 3, .hidden = 5, .norm_hidden = true, .name = "mlp"}, 8);
  const nn::MLP& network = *mlp.dense;
  const Tensor x = random_tensor({2, 3}, 9);
  std::vector<std::pair<std::string, Tensor>> seen;
  {
    const Probe probe([&](const std::string& name, Pass, const Tensor& t) { seen.emplace_back(name, t); });
    mlp(x, nn::evaluation());
  }
  const Tensor gate = (*network.gate)(x);
  const Tensor up = network.up(x);
  const Tensor product = swiglu(gate, up);
  const std::vector<std::pair<std::string, Tensor>> expected = {{"mlp.hook_pre", gate},
                                                                {"mlp.hook_pre_linear", up},
                                                                {"mlp.hook_mid", product},
                                                                {"mlp.hook_post", (*network.hidden_norm)(product)}};
  REQUIRE(seen.size() == expected.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    CHECK(seen[i].first == expected[i].first);
    CHECK(same_bits(seen[i].second, expected[i].second));
  }
}

TEST_CASE("Dropout falls on the result of feed-forward, in training only", "[nn][feed_forward]") {
  const FeedForward mlp = random_feed_forward({.width = 8, .dropout = 0.5}, 10);
  const Tensor x = random_tensor({20, 8}, 11);
  const Tensor plain = mlp(x, nn::evaluation());
  const Tensor dropped = mlp(x, nn::training(1));
  int64_t zeros = 0;
  for (int64_t i = 0; i < plain.size(); ++i) {
    if (dropped.data()[i] == 0) {
      ++zeros;
    } else {
      CHECK(dropped.data()[i] == Approx(2 * plain.data()[i]));
    }
  }
  CHECK(zeros > 50);
  CHECK(zeros < 110);
}

TEST_CASE("Feed-forward refuses a config that can not be built and names the field", "[nn][feed_forward]") {
  const auto refused = [](auto change, std::initializer_list<std::string> parts) {
    FeedForwardConfig config{.width = 8};
    change(config);
    CHECK(has_parts(error_of([&] { FeedForward(config, {}); }), parts));
  };
  refused([](auto& c) { c.width = 0; }, {"feed-forward: width must be at least 1, it is 0"});
  refused([](auto& c) { c.hidden = -2; }, {"hidden", "at least 0", "-2"});
  refused([](auto& c) { c.dropout = 1; }, {"dropout", "below 1"});
  refused([](auto& c) { c.mixture.experts = -1; }, {"experts", "-1"});
  refused([](auto& c) { c.mixture = {.experts = 2, .per_token = 0}; }, {"per_token", "at least 1"});
  refused([](auto& c) { c.mixture = {.experts = 2, .per_token = 3}; }, {"per_token", "at most experts = 2", "3"});
  refused([](auto& c) { c.mixture = {.experts = 2, .balance = -0.1}; }, {"balance", "-0.1"});
  refused([](auto& c) { c.mixture = {.experts = 2, .balance = std::numeric_limits<double>::infinity()}; },
          {"balance", "finite"});
  CHECK(has_parts(error_of([] { nn::Mixture({.width = 8}, {}); }), {"mixture", "at least one expert"}));
}

}  // namespace tape::inline TAPE_ABI::test
