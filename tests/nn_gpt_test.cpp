// The language model: its parameters, positions, tied head, and what it refuses.
#include <tape/nn/gpt.h>

#include <cmath>

#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/loss.h>
#include <tape/core/probe.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Activation;
using nn::Positions;

nn::ModelConfig small_config() {
  return {.vocab = 11, .context = 6, .layers = 2, .heads = 2, .width = 8};
}

std::vector<std::string> names_of(const nn::ModelConfig& config) {
  const nn::GPT gpt(config, Seed{1});
  std::vector<std::string> names;
  for (const LeafPtr& leaf : nn::parameters(gpt)) names.push_back(leaf->name);
  return names;
}

}  // namespace

TEST_CASE("A GPT's parameters have the names that its files have", "[nn][gpt]") {
  nn::ModelConfig config = small_config();
  config.layers = 1;
  const std::vector<std::string> block = {"blocks.0.attn_residual.norm_input.weight",
                                          "blocks.0.attn_residual.norm_input.bias",
                                          "blocks.0.attn.qkv.weight",
                                          "blocks.0.attn.qkv.bias",
                                          "blocks.0.attn.out.weight",
                                          "blocks.0.attn.out.bias",
                                          "blocks.0.mlp_residual.norm_input.weight",
                                          "blocks.0.mlp_residual.norm_input.bias",
                                          "blocks.0.mlp.up.weight",
                                          "blocks.0.mlp.up.bias",
                                          "blocks.0.mlp.down.weight",
                                          "blocks.0.mlp.down.bias"};
  std::vector<std::string> expected = {"token_embedding.weight", "position_embedding.weight"};
  expected.insert(expected.end(), block.begin(), block.end());
  expected.insert(expected.end(), {"final_norm.weight", "final_norm.bias"});
  CHECK(names_of(config) == expected);

  config.scheme = nn::Scheme::DeepNorm;
  config.norm = nn::NormKind::RMS;
  config.activation = Activation::SwiGLU;
  config.positions = Positions::Rotary;
  config.bias = false;
  config.tied = false;
  CHECK(names_of(config) == std::vector<std::string>{"token_embedding.weight", "blocks.0.attn_residual.norm_sum.weight",
                                                     "blocks.0.attn.qkv.weight", "blocks.0.attn.out.weight",
                                                     "blocks.0.mlp_residual.norm_sum.weight", "blocks.0.mlp.up.weight",
                                                     "blocks.0.mlp.gate.weight", "blocks.0.mlp.down.weight",
                                                     "head.weight"});
}

TEST_CASE("The number of parameters follows the closed form", "[nn][gpt]") {
  constexpr int64_t v = 65;
  constexpr int64_t t = 64;
  constexpr int64_t c = 128;
  constexpr int64_t layers = 4;
  const nn::GPT gpt({.vocab = v}, Seed{1});  // all else as it is by default
  CHECK(nn::count_parameters(gpt) == v * c + t * c + layers * (12 * c * c + 13 * c) + 2 * c);
  const nn::GPT untied({.vocab = v, .positions = Positions::Sinusoidal, .tied = false}, Seed{1});
  CHECK(nn::count_parameters(untied) == 2 * v * c + layers * (12 * c * c + 13 * c) + 2 * c);
}

TEST_CASE("The sinusoidal table is that of the paper", "[nn][gpt]") {
  const Tensor table = nn::sinusoidal_table(50, 12);
  REQUIRE(table.shape() == Shape{50, 12});
  for (int64_t t = 0; t < 50; ++t) {
    for (int64_t i = 0; i < 6; ++i) {
      const double angle = static_cast<double>(t) / std::pow(10000.0, 2.0 * static_cast<double>(i) / 12);
      CHECK(table.data()[t * 12 + 2 * i] == Approx(std::sin(angle)).margin(1e-6));
      CHECK(table.data()[t * 12 + 2 * i + 1] == Approx(std::cos(angle)).margin(1e-6));
    }
  }
  // The product of two rows depends on their distance only.
  const auto product = [&](int64_t a, int64_t b) {
    double sum = 0;
    for (int64_t c = 0; c < 12; ++c) sum += static_cast<double>(table.data()[a * 12 + c]) * table.data()[b * 12 + c];
    return sum;
  };
  CHECK(product(3, 10) == Approx(product(33, 40)).epsilon(1e-5));
  CHECK(nn::sinusoidal_table(2, 3).size() == 6);  // an odd width too
}

TEST_CASE("Positions are added to the embedding, scaled by √C beside a sinusoidal table", "[nn][gpt]") {
  const Ids ids = random_ids({2, 5}, 11, 1);
  for (const Positions positions : {Positions::Learned, Positions::Sinusoidal, Positions::Rotary}) {
    INFO(nn::name_of(positions));
    nn::ModelConfig config = small_config();
    config.positions = positions;
    const nn::GPT gpt(config, Seed{1});
    const ParameterList list = nn::parameters(gpt);
    Tensor stream;
    const Probe probe([&](const std::string& name, Pass, const Tensor& x) {
      if (name == "blocks.0.hook_resid_pre") stream = x.copy();
    });
    gpt(ids, nn::evaluation());
    Tensor expected = embedding(value_of(parameter_named(list, "token_embedding.weight")), ids);
    if (positions == Positions::Sinusoidal) expected = scale(expected, std::sqrt(8.0));
    if (positions != Positions::Rotary) {
      const Tensor rows = positions == Positions::Learned ? value_of(parameter_named(list, "position_embedding.weight"))
                                                          : nn::sinusoidal_table(6, 8);
      Tensor both = expected.copy();
      for (int64_t i = 0; i < both.size(); ++i) both.mutable_data()[i] += rows.data()[i % (5 * 8)];
      expected = both;
    }
    REQUIRE(stream);
    CHECK(difference(stream, expected) < 1e-6);
    CHECK(nn::positions(nn::name_of(positions)) == positions);
  }
  CHECK(has_parts(error_of([] { nn::positions("absolute"); }),
                  {"\"absolute\"", "learned, sinusoidal, rotary, alibi, relative, none"}));
}

TEST_CASE("A tied head shares the embedding, an untied one does not", "[nn][gpt]") {
  const Tensor features = random_tensor({2, 3, 8}, 1);
  for (const bool tied : {true, false}) {
    nn::ModelConfig config = small_config();
    config.tied = tied;
    const nn::GPT gpt(config, Seed{1});
    const ParameterList list = nn::parameters(gpt);
    const Tensor table = value_of(parameter_named(list, "token_embedding.weight"));
    CHECK((difference(gpt.head(features), linear(features, table)) < 1e-6) == tied);
    if (!tied) {
      CHECK(difference(gpt.head(features), linear(features, value_of(parameter_named(list, "head.weight")))) < 1e-6);
    }
  }
}

TEST_CASE("A new model knows nothing: its loss is near the logarithm of the vocabulary", "[nn][gpt]") {
  // Pre-LN as it is by default; the others with a head of their own, because their embedding is large enough for a tied
  // head to expect each token once more.
  for (const Choice& choice : all_choices()) {
    INFO(choice.name());
    const bool tied = choice.scheme == nn::Scheme::PreLN;
    const nn::GPT gpt({.vocab = 65, .scheme = choice.scheme, .norm = choice.norm, .tied = tied}, Seed{1});
    const Ids ids = random_ids({4, 64}, 65, 2);
    const double loss = cross_entropy(gpt(ids, nn::evaluation()), random_ids({4, 64}, 65, 3)).item();
    CHECK(loss > std::log(65.0) - 0.1);
    CHECK(loss < std::log(65.0) + (tied ? 0.2 : 1.0));  // scores of unit variance add half a nat
  }
}

TEST_CASE("Taps have the names that users of TransformerLens know", "[nn][gpt]") {
  const nn::GPT gpt(small_config(), Seed{1});
  const Recorder recorder;
  gpt(random_ids({1, 4}, 11, 1), nn::evaluation());
  std::vector<std::string> expected = {"hook_embed", "hook_pos_embed"};
  for (const char* block : {"blocks.0.", "blocks.1."}) {
    for (const char* name : {"hook_resid_pre", "ln1.hook_normalized", "attn.hook_qkv", "attn.hook_attn_scores_max",
                             "attn.hook_z", "hook_attn_out", "hook_resid_mid", "ln2.hook_normalized", "mlp.hook_pre",
                             "mlp.hook_post", "hook_mlp_out", "hook_resid_post"}) {
      expected.push_back(std::string(block) + name);
    }
  }
  expected.push_back("ln_final.hook_normalized");
  std::vector<std::string> seen;
  for (const Reading& reading : recorder.readings()) seen.push_back(reading.name);
  CHECK(seen == expected);
}

TEST_CASE("A configuration that can not be built is refused, naming the field", "[nn][gpt]") {
  const auto refused = [](auto change, std::initializer_list<std::string> parts) {
    nn::ModelConfig config = small_config();
    change(config);
    CHECK(has_parts(error_of([&] { nn::GPT(config, Seed{1}); }), parts));
  };
  refused([](auto& c) { c.vocab = 0; }, {"GPT", "vocab", "at least 1", "0"});
  refused([](auto& c) { c.context = 0; }, {"context"});
  refused([](auto& c) { c.layers = -1; }, {"layers", "-1"});
  refused([](auto& c) { c.heads = 0; }, {"heads"});
  refused([](auto& c) { c.width = 0; }, {"width"});
  refused([](auto& c) { c.hidden = -8; }, {"hidden", "-8"});
  refused([](auto& c) { c.dropout = 1; }, {"dropout", "below 1"});
  refused([](auto& c) { c.dropout = std::nan(""); }, {"dropout"});
  refused([](auto& c) { c.heads = 3; }, {"width 8", "heads 3"});
  refused(
      [](auto& c) {
        c.heads = 8;
        c.positions = Positions::Rotary;
      },
      {"even head size"});
}

TEST_CASE("Ids of a wrong shape or value are refused", "[nn][gpt]") {
  const nn::GPT gpt(small_config(), Seed{1});
  const auto message_of = [&](const Ids& ids) { return error_of([&] { gpt(ids, nn::evaluation()); }); };
  CHECK(has_parts(message_of(random_ids({1, 7}, 11, 1)), {"GPT: ids (1, 7)", "1 to 6", "nn_gpt_test.cpp"}));
  CHECK(has_parts(message_of(random_ids({4}, 11, 1)), {"ids (4)", "(batch, length)"}));
  CHECK(has_parts(message_of(Ids({1, 0})), {"ids (1, 0)"}));
  Ids beyond = random_ids({1, 6}, 11, 1);
  beyond.mutable_data()[3] = 11;
  CHECK(has_parts(message_of(beyond), {"embedding", "11"}));
}

}  // namespace tape::inline TAPE_ABI::test
