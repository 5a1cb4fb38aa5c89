// Gradients of attention's modules with everything that stands between their projections, with respect to all
// parameters and to the table of relative biases.
#include <tape/nn/attention.h>
#include <tape/nn/module.h>

#include "catch.h"
#include "support/gradcheck.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

struct Case {
  const char* name;
  nn::AttentionConfig config;
};

std::vector<Case> inner_cases() {
  using nn::QKNorm;
  return {{"shared key heads", {.kv_heads = 2}},
          {"one key head, capped", {.kv_heads = 1, .softcap = 0.6, .scale = 1}},
          {"norms of each head", {.kv_heads = 2, .qk_norm = QKNorm::PerHead, .norm_value = true}},
          {"norms of the full width", {.kv_heads = 2, .qk_norm = QKNorm::FullWidth}},
          {"norm of values alone", {.norm_value = true}},
          {"norm of the output and head scale", {.kv_heads = 2, .norm_out = true, .head_scale = true}}};
}

// A bias of all keys moves all scores of a query alike, without a cap or rotary positions: no gradient.
GradCheckOptions without_key_bias(const ParameterList& list, int inputs) {
  GradCheckOptions options;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i]->name == "key_norm.bias") options.zero.push_back(inputs + static_cast<int>(i));
  }
  return options;
}

template <class Module>
void prepare(const Module& module, uint64_t seed) {
  nn::name_parameters(module);
  randomize(nn::parameters(module), seed);
}

}  // namespace

TEST_CASE("The gradient of self-attention agrees with every inner norm and shared heads", "[gradient][nn]") {
  for (Case each : inner_cases()) {
    for (const nn::NormKind kind : {nn::NormKind::Layer, nn::NormKind::RMS}) {
      DYNAMIC_SECTION(each.name << ", " << nn::name_of(kind)) {
        each.config.width = 16;
        each.config.heads = 4;
        each.config.norm = kind;
        const nn::SelfAttention attention(each.config, {});
        prepare(attention, 3);
        const ParameterList list = nn::parameters(attention);
        const auto f = [&](const Inputs& x) { return attention(x[0], {.causal = true}, nn::evaluation()); };
        check_gradients(f, {random_tensor({2, 4, 16}, 4)}, list, without_key_bias(list, 1));
      }
    }
  }
}

TEST_CASE("The gradient of self-attention agrees with positions of every kind inside", "[gradient][nn]") {
  const RotaryLayout pairs = RotaryLayout::interleaved;
  const std::vector<Case> cases = {
      {"rotary", {.kv_heads = 1, .rotary = {.base = 10}}},
      {"partial interleaved rotary after a norm",
       {.rotary = {.base = 10, .fraction = 0.5, .layout = pairs}, .qk_norm = nn::QKNorm::PerHead}},
      {"alibi in a window", {.kv_heads = 1, .window = 3, .alibi = true}}};
  for (Case each : cases) {
    DYNAMIC_SECTION(each.name) {
      each.config.width = 8;
      each.config.heads = 2;
      const nn::SelfAttention attention(each.config, {});
      prepare(attention, 5);
      const nn::AttentionMask mask{.causal = true, .segments = Ids::from({2, 5}, {0, 0, 0, 0, 0, 0, 0, 1, 1, -1})};
      const auto f = [&](const Inputs& x) { return attention(x[0], mask, nn::evaluation()); };
      check_gradients(f, {random_tensor({2, 5, 8}, 6)}, nn::parameters(attention));
    }
  }
}

TEST_CASE("Layers that share a table of relative biases add their gradients", "[gradient][nn]") {
  const nn::AttentionConfig config{.width = 8, .heads = 2, .max_distance = 5, .scale = 1};
  const nn::SelfAttention first(config, {});
  const nn::SelfAttention second(config, {});
  prepare(first, 7);
  prepare(second, 8);
  const Parameter table = parameter_of(random_tensor({8, 2}, 9), "relative_bias");
  ParameterList list = nn::parameters(first);
  for (const LeafPtr& leaf : nn::parameters(second)) list.push_back(leaf);
  list.push_back(table.leaf());
  const auto f = [&](const Inputs& x) {
    const nn::AttentionMask mask{.relative_bias = table};
    return second(first(x[0], mask, nn::evaluation()), mask, nn::evaluation());
  };
  check_gradients(f, {random_tensor({2, 5, 8}, 10)}, list);
}

TEST_CASE("The gradient of cross-attention agrees with shared heads, inner norms and segments", "[gradient][nn]") {
  for (Case each : inner_cases()) {
    DYNAMIC_SECTION(each.name) {
      each.config.width = 16;
      each.config.heads = 4;
      const nn::CrossAttention attention(each.config, {});
      prepare(attention, 11);
      const ParameterList list = nn::parameters(attention);
      const nn::AttentionMask mask{.segments = Ids::from({2, 3}, {0, 1, 1, 0, 0, 0}),
                                   .key_segments = Ids::from({2, 5}, {0, 0, 1, 1, 1, 0, 0, 0, 0, -1})};
      const auto f = [&](const Inputs& x) { return attention(x[0], x[1], mask, nn::evaluation()); };
      check_gradients(f, {random_tensor({2, 3, 16}, 12), random_tensor({2, 5, 16}, 13)}, list,
                      without_key_bias(list, 2));
    }
  }
}

}  // namespace tape::inline TAPE_ABI::test
