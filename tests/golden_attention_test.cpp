// The forms of attention against PyTorch: outputs and all gradients, of the op and of the module. The values come from
// tests/golden/attention.py, where the settings stand again.
#include <algorithm>

#include <tape/core/ops/attention.h>
#include <tape/core/ops/attention_bias.h>
#include <tape/core/safetensors.h>
#include <tape/core/tape.h>
#include <tape/nn/attention.h>
#include <tape/nn/module.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

constexpr double tolerance = 5e-6;

const SafetensorsFile& golden() {
  static const SafetensorsFile file = SafetensorsFile::open(TAPE_GOLDEN_DIR "/attention.safetensors");
  return file;
}

int64_t names_beginning_with(const std::string& prefix) {
  const std::vector<std::string> names = golden().names();
  return std::ranges::count_if(names, [&](const std::string& name) { return name.starts_with(prefix); });
}

const Ids& segments() {
  static const Ids ids = Ids::from({2, 9}, {0, 0, 0, 0, 1, 1, 1, 2, -1, 0, 0, 1, 1, 1, 1, 1, 1, 1});
  return ids;
}

struct Form {
  std::string name;
  AttentionOptions options;
};

struct Module {
  std::string name;
  nn::AttentionConfig config;
};

nn::AttentionConfig with_norms(nn::NormKind kind, nn::QKNorm qk_norm, nn::RotaryConfig rotary) {
  nn::AttentionConfig config{.kv_heads = 2, .rotary = rotary, .qk_norm = qk_norm};
  config.norm = kind;
  return config;
}

}  // namespace

TEST_CASE("attention agrees with PyTorch in every form", "[golden][attention]") {
  const std::vector<Form> forms = {
      {"grouped", {.kv_heads = 2, .causal = true}},
      {"multi_query", {.kv_heads = 1}},
      {"window", {.window = 3}},
      {"causal_window", {.causal = true, .window = 3}},
      {"alibi", {.causal = true, .alibi = true}},
      {"softcap", {.causal = true, .softcap = 0.5}},
      {"relative", {.max_distance = 7, .scale = 1}},
      {"causal_relative", {.causal = true, .max_distance = 7}},
      {"cached", {.kv_heads = 2, .causal = true, .window = 4, .alibi = true, .max_distance = 7}},
      {"segments", {.causal = true, .segments = segments()}},
      {"all",
       {.kv_heads = 2,
        .causal = true,
        .window = 4,
        .alibi = true,
        .softcap = 1.5,
        .segments = segments(),
        .max_distance = 7,
        .scale = 0.7}}};
  for (const Form& form : forms) {
    INFO(form.name);
    const std::string prefix = "form." + form.name + ".";
    std::vector<std::string> names = {"q", "k", "v"};
    if (names_beginning_with(prefix + "table") > 0) names.emplace_back("table");
    Inputs inputs;
    for (const std::string& name : names) inputs.push_back(golden().read(prefix + name));
    const Function f = [&](const Inputs& x) {
      AttentionOptions options = form.options;
      options.heads = 4;
      if (x.size() > 3) options.relative_bias = x[3];
      return attention(x[0], x[1], x[2], options);
    };
    const ValueAndGradients ours = differentiate(f, inputs, golden().read(prefix + "dy"));
    CHECK(difference(ours.value, golden().read(prefix + "y")) < tolerance);
    for (std::size_t i = 0; i < names.size(); ++i) {
      INFO("gradient of " << names[i]);
      CHECK(difference(ours.gradients[i], golden().read(prefix + "d" + names[i])) < tolerance);
    }
  }
}

TEST_CASE("Self-attention agrees with PyTorch for rotary layouts, inner norms and head scale", "[golden][nn]") {
  using nn::NormKind;
  using nn::QKNorm;
  const RotaryLayout pairs = RotaryLayout::interleaved;
  nn::AttentionConfig all_norms = with_norms(NormKind::Layer, QKNorm::PerHead, {});
  all_norms.norm_value = true;
  all_norms.norm_out = true;
  all_norms.head_scale = true;
  const std::vector<Module> modules = {
      {"rotary", {.kv_heads = 2, .rotary = {.base = 50, .layout = pairs}}},
      {"partial", {.rotary = {.base = 50, .fraction = 0.7}}},  // 4 of 6 columns
      {"per_head", with_norms(NormKind::RMS, QKNorm::PerHead, {.base = 50, .fraction = 0.7, .layout = pairs})},
      {"full_width", with_norms(NormKind::RMS, QKNorm::FullWidth, {.base = 50})},
      {"all_norms", all_norms}};
  for (const Module& each : modules) {
    INFO(each.name);
    const std::string prefix = "module." + each.name + ".";
    nn::AttentionConfig config = each.config;
    config.width = 24;
    config.heads = 4;
    const nn::SelfAttention attention(config, {});
    nn::name_parameters(attention);
    const ParameterList list = nn::parameters(attention);
    REQUIRE(names_beginning_with(prefix + "value.") == static_cast<int64_t>(list.size()));
    for (const LeafPtr& leaf : list) {
      golden().read_into(prefix + "value." + leaf->name, leaf->data(), leaf->size());
      leaf->initialized = true;
    }
    Tape tape;
    const Tensor x = tape.watch(golden().read(prefix + "x"));
    const Tensor y = attention(x, {.causal = true}, nn::evaluation());
    tape.backward(y, golden().read(prefix + "dy"));
    CHECK(difference(y, golden().read(prefix + "y")) < tolerance);
    CHECK(difference(tape.grad(x), golden().read(prefix + "dx")) < tolerance);
    for (const LeafPtr& leaf : list) {
      INFO("gradient of " << leaf->name);
      // Without rotary positions a constant added to all keys changes nothing: that gradient is rounding alone.
      const double floor = leaf->name == "key_norm.bias" ? 1 : 0;
      CHECK(difference(leaf->gradient_tensor(), golden().read(prefix + "gradient." + leaf->name), floor) < tolerance);
    }
  }
}

TEST_CASE("Relative buckets and ALiBi's slopes are those of the published formulas", "[golden][attention]") {
  const std::pair<int64_t, int64_t> tables[] = {{32, 128}, {16, 64}, {8, 20}};
  for (const auto& [count, far] : tables) {
    for (const bool bidirectional : {false, true}) {
      INFO(count << " buckets up to " << far << (bidirectional ? ", both sides" : ", causal"));
      const auto expected =
          golden().read_integers(str("buckets.", count, ".", far, bidirectional ? ".both" : ".causal"));
      REQUIRE(expected.size() == 601);
      int64_t wrong = 0;
      for (int64_t i = 0; i < 601; ++i) {
        wrong += relative_bucket(i - 300, bidirectional, count, far) != expected[static_cast<std::size_t>(i)];
      }
      CHECK(wrong == 0);
    }
  }
  for (const int64_t heads : {8, 12, 20}) {
    const Tensor expected = golden().read(str("slopes.", heads));
    for (int64_t h = 0; h < heads; ++h) CHECK(alibi_slope(h, heads) == Approx(expected.data()[h]).epsilon(1e-6));
  }
}

}  // namespace tape::test
