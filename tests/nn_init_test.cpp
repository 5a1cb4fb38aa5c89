// First values: the moments and the shape of each distribution, the gains of each scheme, and what values depend on.
#include <tape/nn/init.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

struct Moments {
  double mean, stddev;
};

Moments moments(const real* x, int64_t n) {
  double sum = 0;
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  const double mean = sum / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  return {mean, std::sqrt(squares / static_cast<double>(n))};
}

// n numbers have mean 0 and standard deviation `stddev`, to four standard errors.
void check_moments(const real* x, int64_t n, double stddev) {
  const double error = 4 / std::sqrt(static_cast<double>(n));
  const Moments m = moments(x, n);
  CHECK(std::abs(m.mean) < error * stddev);
  CHECK(m.stddev == Approx(stddev).epsilon(error / std::numbers::sqrt2));  // of a normal; a uniform's is smaller
}
void check_rows(const LeafPtr& leaf, int64_t begin, int64_t end, double stddev) {
  INFO(leaf->name << ", rows " << begin << " to " << end);
  const int64_t columns = leaf->shape.last();
  check_moments(leaf->data() + begin * columns, (end - begin) * columns, stddev);
}
void check_all(const LeafPtr& leaf, double stddev) {
  check_rows(leaf, 0, leaf->shape.rows(), stddev);
}

// √n times the largest distance between the numbers' distribution and `cdf`: the statistic of Kolmogorov and Smirnov,
// over 1.95 with a probability of 0.1 %.
double kolmogorov_smirnov(const Tensor& x, const std::function<double(double)>& cdf) {
  std::vector<real> sorted(x.values().begin(), x.values().end());
  std::ranges::sort(sorted);
  const auto n = static_cast<double>(sorted.size());
  double distance = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double p = cdf(sorted[i]);
    distance = std::max({distance, static_cast<double>(i + 1) / n - p, p - static_cast<double>(i) / n});
  }
  return distance * std::sqrt(n);
}

double normal_cdf(double z) {
  return std::erfc(-z / std::numbers::sqrt2) / 2;
}

struct Drawn {
  Init init;
  bool uniform;
  double stddev;  // by the formula of the paper
};

constexpr int64_t fan_in = 300;
constexpr int64_t fan_out = 120;

std::vector<Drawn> distributions() {
  const double xavier = std::sqrt(2.0 / (300 + 120));
  const double he = std::sqrt(2.0 / 300);
  return {{nn::normal_init(), false, 0.02},
          {nn::normal_init(0.3, 0.5), false, 0.15},
          {nn::xavier_uniform(), true, xavier},
          {nn::xavier_uniform(1.7), true, 1.7 * xavier},
          {nn::xavier_normal(), false, xavier},
          {nn::xavier_normal(0.25), false, 0.25 * xavier},
          {nn::kaiming_uniform(), true, he},
          {nn::kaiming_normal(), false, he},
          {nn::kaiming_normal(1), false, std::sqrt(1.0 / 300)}};
}

nn::GPT gpt_of(nn::Scheme scheme, int64_t layers = 3) {
  return nn::GPT({.vocab = 50, .context = 32, .layers = layers, .heads = 2, .width = 64, .scheme = scheme}, Seed{4});
}

}  // namespace

TEST_CASE("Every distribution has the moments of its formula and its shape", "[nn][init]") {
  int number = 0;
  for (const Drawn& drawn : distributions()) {
    INFO("distribution " << number++);
    const nn::Linear linear(fan_in, fan_out, true, drawn.init);
    nn::initialize(linear, Seed{7});
    check_all(linear.weight.leaf(), drawn.stddev);
    CHECK(nn::init_stddev(drawn.init, fan_in, fan_out, drawn.init.gain) == Approx(drawn.stddev).epsilon(1e-12));
    const Tensor values = linear.weight.value();
    const auto [low, high] = std::ranges::minmax(values.values());
    if (drawn.uniform) {
      const double bound = std::sqrt(3.0) * drawn.stddev;
      CHECK(low >= -bound);
      CHECK(high <= bound);
      CHECK(high > 0.999 * bound);
      CHECK(kolmogorov_smirnov(values, [=](double x) { return (x + bound) / (2 * bound); }) < 1.95);
    } else {
      CHECK(high > 3.5 * drawn.stddev);  // of 36,000 numbers
      CHECK(kolmogorov_smirnov(values, [=](double x) { return normal_cdf(x / drawn.stddev); }) < 1.95);
    }
    for (const real b : linear.bias.value().values()) CHECK(b == 0);
  }
}

TEST_CASE("The statistic of Kolmogorov and Smirnov tells a uniform from a normal distribution", "[nn][init]") {
  const Tensor uniform = random_tensor({20000}, 1);
  CHECK(kolmogorov_smirnov(uniform, [](double x) { return (x + 1) / 2; }) < 1.95);
  CHECK(kolmogorov_smirnov(uniform, [](double x) { return normal_cdf(x * std::sqrt(3.0)); }) > 5);
}

TEST_CASE("The three groups of a packed query-key-value weight are drawn each for itself", "[nn][init]") {
  // One Xavier draw over the whole (3C, C) weight would have standard deviation √(2/4C): its gain would be 1/√2.
  constexpr int64_t c = 96;
  constexpr double beta = 0.3;
  const nn::SelfAttention attention({.width = c, .heads = 2}, {.base = nn::xavier_normal(), .value = beta});
  nn::initialize(attention, Seed{1});
  const double xavier = std::sqrt(2.0 / (c + c));
  check_rows(attention.qkv.weight.leaf(), 0, c, xavier);
  check_rows(attention.qkv.weight.leaf(), c, 2 * c, xavier);
  check_rows(attention.qkv.weight.leaf(), 2 * c, 3 * c, beta * xavier);
  const Tensor all = attention.qkv.weight.value();
  CHECK(all.data()[0] != all.data()[c * c]);  // the groups are not copies of one draw
}

TEST_CASE("The two groups of cross-attention's packed keys and values have their own gains", "[nn][init]") {
  constexpr int64_t c = 96;
  const nn::CrossAttention attention({.width = c, .heads = 2},
                                     {.base = nn::xavier_normal(), .query_key = 1, .value = 0.3, .attention_out = 0.4});
  nn::initialize(attention, Seed{1});
  const double xavier = std::sqrt(2.0 / (c + c));
  check_all(attention.query.weight.leaf(), xavier);
  check_rows(attention.key_value.weight.leaf(), 0, c, xavier);
  check_rows(attention.key_value.weight.leaf(), c, 2 * c, 0.3 * xavier);
  check_all(attention.out.weight.leaf(), 0.4 * xavier);
}

TEST_CASE("DeepNorm scales feed-forward, value and output weights by beta, queries and keys by 1", "[nn][init]") {
  constexpr int64_t layers = 3;
  constexpr int64_t c = 64;
  const nn::GPT gpt = gpt_of(nn::Scheme::DeepNorm, layers);
  const ParameterList list = nn::parameters(gpt);
  const double beta = std::pow(8.0 * layers, -0.25);
  const double square = std::sqrt(2.0 / (c + c));
  const double wide = std::sqrt(2.0 / (c + 4 * c));
  for (int64_t i = 0; i < layers; ++i) {
    const auto leaf = [&](const char* name) { return parameter_named(list, str("blocks.", i, ".", name, ".weight")); };
    check_rows(leaf("attn.qkv"), 0, c, square);
    check_rows(leaf("attn.qkv"), c, 2 * c, square);
    check_rows(leaf("attn.qkv"), 2 * c, 3 * c, beta * square);
    check_all(leaf("attn.out"), beta * square);
    check_all(leaf("mlp.up"), beta * wide);
    check_all(leaf("mlp.down"), beta * wide);
  }
}

TEST_CASE("Post-LN starts with plain Xavier weights", "[nn][init]") {
  const nn::GPT gpt = gpt_of(nn::Scheme::PostLN);
  const ParameterList list = nn::parameters(gpt);
  for (const char* name : {"attn.qkv", "attn.out"}) {
    check_all(parameter_named(list, str("blocks.1.", name, ".weight")), std::sqrt(2.0 / 128));
  }
  for (const char* name : {"mlp.up", "mlp.down"}) {
    check_all(parameter_named(list, str("blocks.1.", name, ".weight")), std::sqrt(2.0 / 320));
  }
  check_all(parameter_named(list, "token_embedding.weight"), 1 / std::sqrt(64.0));
}

TEST_CASE("Pre-LN starts as GPT-2: 0.02, and the weights that write to the stream scaled by 1/√(2L)", "[nn][init]") {
  for (const int64_t layers : {2, 8}) {
    const nn::GPT gpt = gpt_of(nn::Scheme::PreLN, layers);
    const double scaled = 0.02 / std::sqrt(2.0 * static_cast<double>(layers));
    CHECK(nn::gpt2_residual_gain(2 * layers) * 0.02 == Approx(scaled).epsilon(1e-12));
    for (const LeafPtr& leaf : nn::parameters(gpt)) {
      if (leaf->shape.rank() != 2) continue;
      const bool writes = leaf->name.ends_with("attn.out.weight") || leaf->name.ends_with("mlp.down.weight");
      check_all(leaf, writes ? scaled : 0.02);
    }
  }
}

TEST_CASE("Norms start with weight 1, and all biases with 0", "[nn][init]") {
  for (const Choice& choice : all_choices()) {
    const nn::GPT gpt({.vocab = 5, .width = 8, .scheme = choice.scheme, .norm = choice.norm}, Seed{1});
    for (const LeafPtr& leaf : nn::parameters(gpt)) {
      if (leaf->shape.rank() != 1) continue;
      INFO(leaf->name);
      const real expected = leaf->name.ends_with("bias") ? 0 : 1;
      CHECK(std::ranges::all_of(value_of(leaf).values(), [&](real x) { return x == expected; }));
    }
  }
}

TEST_CASE("A parameter's first values depend on the seed and its name alone", "[nn][init]") {
  const nn::GPT two = gpt_of(nn::Scheme::PostLN, 2);
  const nn::GPT five = gpt_of(nn::Scheme::PostLN, 5);
  const ParameterList shorter = nn::parameters(two);
  for (const LeafPtr& leaf : shorter) {
    INFO(leaf->name);
    CHECK(same_bits(value_of(leaf), value_of(parameter_named(nn::parameters(five), leaf->name))));
  }
  ParameterList reversed = nn::parameters(gpt_of(nn::Scheme::PostLN, 2));
  std::ranges::reverse(reversed);
  nn::initialize(reversed, Seed{4});
  for (const LeafPtr& leaf : reversed) {
    CHECK(same_bits(value_of(leaf), value_of(parameter_named(shorter, leaf->name))));
  }
  // Another seed, another name: other values.
  nn::initialize(reversed, Seed{5});
  const Tensor first = value_of(parameter_named(shorter, "blocks.0.mlp.up.weight"));
  CHECK_FALSE(same_bits(first, value_of(parameter_named(reversed, "blocks.0.mlp.up.weight"))));
  CHECK_FALSE(same_bits(first, value_of(parameter_named(shorter, "blocks.1.mlp.up.weight"))));
}

TEST_CASE("An Init that does not fit its parameter is refused by name", "[nn][init]") {
  const auto message_of = [](const Shape& shape, const Init& init) {
    const Parameter parameter(shape, init, true);
    parameter->name = "gate.weight";
    return error_of([&] { nn::initialize(ParameterList{parameter.leaf()}, Seed{1}); });
  };
  CHECK(has_parts(message_of({5}, nn::xavier_normal()), {"gate.weight (5)", "no fan-in", "use normal"}));
  Init groups = nn::xavier_normal();
  groups.row_gains = {1, 1, 0.5};
  CHECK(has_parts(message_of({7, 4}, groups), {"gate.weight (7, 4)", "3 equal groups"}));
}

}  // namespace tape::inline TAPE_ABI::test
