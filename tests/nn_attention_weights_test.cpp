// The probabilities of attention: times the values they are what the fused loops give, in every form and architecture.
#include <tape/nn/attention_weights.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include <tape/core/ops/shape_ops.h>
#include <tape/core/probe.h>
#include <tape/nn/bert.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"
#include "support/weighed.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Positions;

constexpr double tolerance = 1e-5;  // fused sums are in f32; a wrong formula is off by 1e-2

// What one attention showed.
struct Sight {
  Tensor pattern, values, z;
};

std::map<std::string, Sight> attentions_of(const std::function<void()>& forward) {
  std::map<std::string, Sight> seen;
  const Probe probe(
      [&](const std::string& name, Pass, const Tensor& x) {
        const auto dot = name.rfind('.');
        const std::string hook = name.substr(dot + 1);
        if (hook == "hook_pattern") seen[name.substr(0, dot)].pattern = x.copy();
        if (hook == "hook_v") seen[name.substr(0, dot)].values = x.copy();
        if (hook == "hook_z") seen[name.substr(0, dot)].z = x.copy();
      },
      {.asked = {"hook_pattern", "hook_v"}});
  forward();
  return seen;
}

// Rows sum to one, or are empty.
void check_rows(const Tensor& pattern) {
  const int64_t keys = pattern.last();
  double worst = 0;
  for (int64_t r = 0; r < pattern.rows(); ++r) {
    double sum = 0;
    for (int64_t s = 0; s < keys; ++s) sum += static_cast<double>(pattern.data()[r * keys + s]);
    worst = std::max(worst, std::min(std::fabs(sum - 1), std::fabs(sum)));
  }
  CHECK(worst < 1e-6);
}

// The pattern of each of `count` attentions, times its values, is its z.
void check_attentions(const std::map<std::string, Sight>& seen, std::size_t count, int64_t kv_heads) {
  CHECK(seen.size() == count);
  for (const auto& [name, sight] : seen) {
    INFO(name);
    REQUIRE((sight.pattern && sight.values && sight.z));
    check_rows(sight.pattern);
    CHECK(difference(weighed(sight.pattern, sight.values, kv_heads), sight.z) < tolerance);
  }
}

nn::ModelConfig small() {
  return {.vocab = 7, .context = 40, .layers = 2, .heads = 4, .width = 16};
}

struct Form {
  const char* name;
  void (*set)(nn::ModelConfig& config);
};
const Form forms[] = {
    {"as usual", [](nn::ModelConfig&) {}},
    {"one key head", [](nn::ModelConfig& c) { c.kv_heads = 1; }},
    {"window", [](nn::ModelConfig& c) { c.window = 5; }},
    {"ALiBi", [](nn::ModelConfig& c) { c.positions = Positions::ALiBi; }},
    {"T5",
     [](nn::ModelConfig& c) {
       c.positions = Positions::RelativeBias;
       c.relative_buckets = 8;
       c.relative_max_distance = 12;
       c.attention_scale = 1;
     }},
    {"rotary", [](nn::ModelConfig& c) { c.positions = Positions::Rotary; }},
    {"rotary, half of each head, interleaved, two key heads",
     [](nn::ModelConfig& c) {
       c.positions = Positions::Rotary;
       c.rotary_fraction = 0.5;
       c.rotary_layout = RotaryLayout::interleaved;
       c.kv_heads = 2;
     }},
    {"norms of queries and keys, rotary",
     [](nn::ModelConfig& c) {
       c.qk_norm = nn::QKNorm::PerHead;
       c.positions = Positions::Rotary;
       c.kv_heads = 2;
     }},
    {"norms over all heads", [](nn::ModelConfig& c) { c.qk_norm = nn::QKNorm::FullWidth; }},
    {"soft cap", [](nn::ModelConfig& c) { c.softcap = 0.5; }},
    {"HybridNorm", [](nn::ModelConfig& c) { c.scheme = nn::Scheme::HybridNorm; }},
    {"recomputed", [](nn::ModelConfig& c) { c.recompute = true; }},
};

// Two rows of texts packed, with padding.
nn::Sequence packed(uint64_t seed) {
  Ids segments(Shape{2, 36});
  for (int64_t i = 0; i < segments.size(); ++i) {
    const int64_t t = i % 36;
    segments.mutable_data()[i] = t < 10 + i / 36 ? 0 : t < 33 ? 1 : -1;
  }
  return {random_ids({2, 36}, 7, seed), {}, segments};
}
nn::Sequence padded(uint64_t seed, int64_t length) {
  return {random_ids({2, length}, 7, seed), Ids::from({2}, {static_cast<int32_t>(length), 5})};
}

}  // namespace

TEST_CASE("Probabilities times values are what fused attention gives, in every form", "[nn][attention][weights]") {
  for (const Form& form : forms) {
    INFO(form.name);
    nn::ModelConfig config = small();
    form.set(config);
    const int64_t kv_heads = config.kv_heads > 0 ? config.kv_heads : config.heads;
    const nn::GPT gpt(config, Seed{1});
    const nn::Bert bert(config, Seed{2});
    const nn::EncoderDecoder both(config, Seed{3});
    randomize(nn::parameters(gpt), 4);
    randomize(nn::parameters(bert), 5);
    randomize(nn::parameters(both), 6);
    for (const nn::Sequence& text : {nn::Sequence(random_ids({1, 40}, 7, 7)), padded(8, 17), packed(9)}) {
      check_attentions(attentions_of([&] { gpt(text, nn::evaluation()); }), 2, kv_heads);
      check_attentions(attentions_of([&] { bert(text, nn::evaluation()); }), 2, kv_heads);
    }
    check_attentions(attentions_of([&] { both(padded(10, 23), padded(11, 9), nn::evaluation()); }), 6, kv_heads);
    check_attentions(attentions_of([&] { both(packed(12), packed(13), nn::evaluation()); }), 6, kv_heads);
  }
}

TEST_CASE("Probabilities under every scheme, what it does to the heads' output aside", "[nn][attention][weights]") {
  for (const bool head_scale : {false, true}) {
    nn::AttentionConfig config{.width = 16, .heads = 4, .norm_out = true, .head_scale = head_scale};
    config.norm = nn::NormKind::RMS;
    config.name = "attn";
    const nn::SelfAttention attention(config, {});
    nn::initialize(attention, Seed{1});
    randomize(nn::parameters(attention), 2);
    const Tensor x = random_tensor({2, 9, 16}, 3);
    const Sight seen = attentions_of([&] { attention(x, {.causal = true}, nn::evaluation()); }).at("attn");
    const Tensor z = weighed(seen.pattern, seen.values, 4);
    CHECK(difference(attention.inner.output(z, Where::here()), seen.z) < tolerance);
    CHECK(difference(z, seen.z) > 0.01);
  }
}

TEST_CASE("Probabilities of single calls: masks, lengths, segments, caches and all at once",
          "[nn][attention][weights]") {
  constexpr real hidden = -std::numeric_limits<real>::infinity();
  const Tensor q = random_tensor({2, 7, 12}, 1, -2, 2);
  const Tensor k = random_tensor({2, 20, 6}, 2, -2, 2);
  const Tensor v = random_tensor({2, 20, 6}, 3);
  Tensor mask = random_tensor({7, 20}, 4);
  for (int64_t i = 0; i < mask.size(); i += 3) mask.mutable_data()[i] = hidden;
  const auto check = [&](AttentionOptions o) {
    o.heads = 4;
    o.kv_heads = 2;
    const Tensor p = nn::attention_weights(q, k, o);
    check_rows(p);
    CHECK(difference(weighed(p, v, 2), attention(q, k, v, o)) < tolerance);
  };
  check({});
  check({.causal = true});
  check({.scale = 3});
  check({.mask = mask});
  check({.mask = random_tensor({2, 7, 20}, 5)});
  check({.key_lengths = Ids::from({2}, {0, 11})});
  check({.segments = random_ids({2, 7}, 3, 6), .key_segments = random_ids({2, 20}, 3, 7)});
  check({.causal = true,
         .window = 9,
         .alibi = true,
         .softcap = 1.5,
         .mask = mask,
         .key_lengths = Ids::from({2}, {18, 20}),
         .segments = random_ids({2, 7}, 2, 8),
         .key_segments = random_ids({2, 20}, 2, 9),
         .relative_bias = random_tensor({8, 4}, 10),
         .max_distance = 9,
         .scale = 0.7});
}

TEST_CASE("Probabilities by hand", "[nn][attention][weights]") {
  // Two keys, one head of size 1: scores 0 and ln 3.
  const auto ln3 = static_cast<real>(std::log(3.0));
  const Tensor p = nn::attention_weights(Tensor::from({1, 1, 1}, {1}), Tensor::from({1, 2, 1}, {0, ln3}), {});
  CHECK(p.shape() == Shape{1, 1, 1, 2});
  CHECK(p.data()[0] == Approx(0.25));
  CHECK(p.data()[1] == Approx(0.75));
  // A query that sees nothing has nothing.
  const Tensor none = nn::attention_weights(Tensor::from({1, 1, 1}, {1}), Tensor::from({1, 2, 1}, {0, 1}),
                                            {.key_lengths = Ids::from({1}, {0})});
  CHECK(same_bits(none, Tensor::zeros({1, 1, 1, 2})));
  const Tensor entropy = nn::row_entropy(Tensor::from({2, 4}, {0.25, 0.25, 0.25, 0.25, 0, 1, 0, 0}));
  CHECK(entropy.shape() == Shape{2});
  CHECK(entropy.data()[0] == Approx(std::log(4.0)));
  CHECK(entropy.data()[1] == 0);
}

TEST_CASE("Probabilities are computed for a probe that asks, and change nothing", "[nn][attention][weights][probe]") {
  const nn::GPT gpt(small(), Seed{1});
  const Ids ids = random_ids({1, 12}, 7, 2);
  const Tensor plain = gpt(ids, nn::evaluation());
  std::vector<std::string> names;
  const auto note = [&](const std::string& name, Pass, const Tensor&) { names.push_back(name); };
  const auto count = [&](const char* name) {
    return std::ranges::count_if(names, [&](const std::string& n) { return n.ends_with(name); });
  };
  {
    const Probe probe(note);
    CHECK_FALSE(Probe::asks_for("hook_pattern"));
    gpt(ids, nn::evaluation());
    CHECK(count("hook_pattern") == 0);
    CHECK(count("hook_v") == 0);
  }
  const Probe probe(note, {.asked = {"hook_pattern"}});
  CHECK(Probe::asks_for("hook_pattern"));
  CHECK(same_bits(gpt(ids, nn::evaluation()), plain));
  CHECK(count("hook_pattern") == 2);
  CHECK(count("hook_v") == 0);
  {
    const Probe inner(note);  // the innermost probe alone is asked
    CHECK_FALSE(Probe::asks_for("hook_pattern"));
  }
  // One position more, beside a cache: a row of the whole pattern.
  Tensor whole;
  Tensor last;
  const auto keep = [&](Tensor& place) {
    return [&](const std::string& name, Pass, const Tensor& x) {
      if (name == "blocks.1.attn.hook_pattern") place = x.copy();
    };
  };
  {
    const Probe all(keep(whole), {.asked = {"hook_pattern"}});
    gpt(ids, nn::evaluation());
  }
  const Probe one(keep(last), {.asked = {"hook_pattern"}});
  nn::KeyValueCache cache;
  const nn::Context context = nn::evaluation().remembering(cache);
  gpt(Ids::from({1, 11}, ids.values().first(11)), context);
  gpt(Ids::from({1, 1}, ids.values().last(1)), context);
  CHECK(difference(last, slice(whole, 2, 11, 12)) < tolerance);
}

TEST_CASE("Norms of residual steps are tapped under names of their own", "[nn][probe]") {
  const auto names_of = [](nn::Scheme scheme) {
    nn::ModelConfig config = small();
    config.layers = 1;
    config.scheme = scheme;
    const nn::GPT gpt(config, Seed{1});
    std::string names;
    const Probe probe([&](const std::string& name, Pass, const Tensor& x) {
      if (!name.ends_with(".hook_normalized")) return;
      CHECK(x.shape() == Shape{1, 4, 16});
      names += name.substr(0, name.rfind('.')) + " ";
    });
    gpt(random_ids({1, 4}, 7, 1), nn::evaluation());
    return names;
  };
  CHECK(names_of(nn::Scheme::PreLN) == "blocks.0.ln1 blocks.0.ln2 ln_final ");
  CHECK(names_of(nn::Scheme::PostLN) == "blocks.0.ln1_sum blocks.0.ln2_sum ");
  CHECK(names_of(nn::Scheme::PeriLN) ==
        "embed.ln blocks.0.ln1 blocks.0.ln1_post blocks.0.ln2 blocks.0.ln2_post ln_final ");
  CHECK(names_of(nn::Scheme::HybridNorm) == "blocks.0.ln2_stream ln_final ");
  CHECK(names_of(nn::Scheme::OLMo2) == "blocks.0.ln1_post blocks.0.ln2_post ln_final ");
  CHECK(names_of(nn::Scheme::KEEL) == "blocks.0.ln1 blocks.0.ln2 blocks.0.ln2_sum ");
}

TEST_CASE("Probabilities of tensors that do not fit are refused", "[nn][attention][errors]") {
  const Tensor q = Tensor::zeros({1, 3, 8});
  const auto message = [&](const Tensor& k, const AttentionOptions& o) {
    return error_of([&] { nn::attention_weights(q, k, o); });
  };
  CHECK(has_parts(message(Tensor::zeros({2, 3, 8}), {}), {"attention_weights", "(1, 3, 8)", "(2, 3, 8)", "batch"}));
  CHECK(has_parts(message(q, {.heads = 3}), {"attention_weights", "3 and 3 heads"}));
  CHECK(has_parts(message(q, {.heads = 4, .kv_heads = 2}), {"4 and 2 heads"}));
  CHECK(has_parts(message(q, {.mask = Tensor::zeros({3, 4})}), {"mask (3, 3)"}));
  CHECK(has_parts(message(q, {.segments = random_ids({1, 4}, 2, 1)}), {"segments (1, 3)"}));
  CHECK(has_parts(message(q, {.relative_bias = Tensor::zeros({8, 2})}), {"relative_bias (buckets, 1)"}));
  CHECK(has_parts(error_of([] { nn::row_entropy(Tensor::scalar(1)); }), {"row_entropy", "no rows"}));
}

}  // namespace tape::inline TAPE_ABI::test
