// The largest scores that attention reports, against scores computed one by one.
#include <tape/core/ops/attention_bias.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/probe.h>
#include <tape/nn/attention.h>
#include <tape/nn/module.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "catch.h"
#include "support/attention_reference.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// The score of query t and key s in head h of sequence b, -infinity for a key that it does not see. q (B, T, H·D), k
// (B, S, KV·D).
double score(const Tensor& q, const Tensor& k, const AttentionOptions& o, int64_t b, int64_t h, int64_t t, int64_t s) {
  const int64_t queries = q.shape()[1];
  const int64_t keys = k.shape()[1];
  const int64_t kv_heads = o.kv_heads > 0 ? o.kv_heads : o.heads;
  const int64_t size = q.last() / o.heads;
  const int64_t distance = s - (t + keys - queries);
  if (!sees(o, queries, keys, b, t, s)) return -infinity;
  double sum = 0;
  for (int64_t d = 0; d < size; ++d) {
    sum += static_cast<double>(q.data()[(b * queries + t) * q.last() + h * size + d]) *
           static_cast<double>(k.data()[(b * keys + s) * k.last() + h * kv_heads / o.heads * size + d]);
  }
  sum *= o.scale.value_or(1 / std::sqrt(static_cast<double>(size)));
  if (o.softcap > 0) sum = o.softcap * std::tanh(sum / o.softcap);
  if (o.alibi) sum -= alibi_slope(h, o.heads) * static_cast<double>(std::abs(distance));
  if (o.relative_bias) {
    const int64_t bucket = relative_bucket(distance, !o.causal, o.relative_bias.shape()[0], o.max_distance);
    sum += static_cast<double>(o.relative_bias.data()[bucket * o.heads + h]);
  }
  if (o.mask) {
    const int64_t first = o.mask.rank() == 3 ? b * queries * keys : 0;
    sum += static_cast<double>(o.mask.data()[first + t * keys + s]);
  }
  return sum;
}

// How far `tops` is from the largest of these scores; infinite for another shape.
double error_of(const Tensor& tops, const Tensor& q, const Tensor& k, const AttentionOptions& o) {
  const int64_t queries = q.shape()[1];
  if (tops.shape() != Shape{q.shape()[0], o.heads, queries}) return infinity;
  double worst = 0;
  for (int64_t i = 0; i < tops.size(); ++i) {
    const int64_t b = i / queries / o.heads;
    const int64_t h = i / queries % o.heads;
    double top = -infinity;
    for (int64_t s = 0; s < k.shape()[1]; ++s) top = std::fmax(top, score(q, k, o, b, h, i % queries, s));
    const double given = static_cast<double>(tops.data()[i]);
    if (top == given) continue;  // both may be -infinity
    worst = std::fmax(worst, std::fabs(top - given));
  }
  return worst;
}

Ids ids(const Shape& shape, std::initializer_list<int32_t> values) {
  Ids result(shape);
  std::ranges::copy(values, result.mutable_data());
  return result;
}

}  // namespace

TEST_CASE("Attention reports the largest score of each query in all its forms", "[attention]") {
  const int64_t length = 37;  // more than a block of queries
  const Tensor q = random_tensor({2, length, 24}, 1, -3, 3);
  const Tensor k = random_tensor({2, length, 24}, 2, -3, 3);
  const Tensor shared = random_tensor({2, length, 12}, 3, -3, 3);
  const Tensor mask = random_tensor({length, length}, 4, -4, 4);
  const Tensor masks = random_tensor({2, length, length}, 5, -4, 4);
  const Tensor table = random_tensor({8, 4}, 6, -4, 4);
  Ids segments({2, length});
  for (int64_t i = 0; i < segments.size(); ++i) segments.mutable_data()[i] = static_cast<int32_t>(i % length / 11) - 1;
  const Ids lengths = ids({2}, {37, 9});

  struct Case {
    const char* name;
    AttentionOptions options;
  };
  const Case cases[] = {{"plain", {.heads = 4}},
                        {"causal", {.heads = 4, .causal = true}},
                        {"window", {.heads = 4, .window = 5}},
                        {"causal window", {.heads = 4, .causal = true, .window = 5}},
                        {"alibi", {.heads = 4, .causal = true, .alibi = true}},
                        {"softcap", {.heads = 4, .softcap = 1.5}},
                        {"mask", {.heads = 4, .mask = mask}},
                        {"masks", {.heads = 4, .mask = masks}},
                        {"padding", {.heads = 4, .key_lengths = lengths}},
                        {"segments", {.heads = 4, .causal = true, .segments = segments}},
                        {"relative", {.heads = 4, .causal = true, .relative_bias = table, .max_distance = 20}},
                        {"relative in both directions", {.heads = 4, .relative_bias = table, .max_distance = 20}},
                        {"scale", {.heads = 4, .scale = 1.0}},
                        {"all at once",
                         {.heads = 4,
                          .causal = true,
                          .window = 9,
                          .alibi = true,
                          .softcap = 2,
                          .mask = mask,
                          .key_lengths = lengths,
                          .segments = segments,
                          .relative_bias = table,
                          .max_distance = 20,
                          .scale = 0.7}}};
  for (const Case& c : cases) {
    for (const int64_t kv_heads : {4, 2}) {
      INFO(c.name << ", " << kv_heads << " heads of keys");
      const Tensor& keys = kv_heads == 4 ? k : shared;
      AttentionOptions options = c.options;
      options.kv_heads = kv_heads;
      const Tensor without = attention(q, keys, keys, options);
      Tensor tops;
      options.top_scores = &tops;
      const Tensor with = attention(q, keys, keys, options);
      CHECK(std::ranges::equal(with.values(), without.values()));
      CHECK(error_of(tops, q, keys, options) < 2e-5);
    }
  }
}

TEST_CASE("Attention reports the scores of other keys than queries, and with few queries", "[attention]") {
  const Tensor k = random_tensor({2, 21, 12}, 2, -3, 3);
  for (const int64_t queries : {1, 5, 40}) {
    const Tensor q = random_tensor({2, queries, 12}, 1, -3, 3);
    AttentionOptions options{.heads = 3, .causal = queries < 21, .key_lengths = ids({2}, {20, 0})};
    Tensor tops;
    options.top_scores = &tops;
    attention(q, k, k, options);
    CHECK(error_of(tops, q, k, options) < 2e-5);
    CHECK(static_cast<double>(tops.data()[tops.size() - 1]) == -infinity);  // there all keys are padding
  }
}

TEST_CASE("A score that is not finite makes the largest one NaN", "[attention]") {
  const Tensor k = random_tensor({1, 6, 4}, 2);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), infinity}) {
    Tensor q = random_tensor({1, 6, 4}, 1).copy();
    q.mutable_data()[3 * 4] = static_cast<real>(bad);
    Tensor tops;
    attention(q, k, k, {.heads = 1, .causal = true, .top_scores = &tops});
    for (int64_t t = 0; t < 6; ++t) CHECK(std::isnan(tops.data()[t]) == (t == 3));
  }
}

TEST_CASE("A probe sees the largest scores of packed, rotary, normed and cross-attention", "[attention][nn]") {
  const Tensor x = random_tensor({2, 9, 12}, 1, -2, 2);
  const Tensor memory = random_tensor({2, 7, 12}, 2, -2, 2);
  const nn::AttentionMask mask{.causal = true,
                               .segments = ids({2, 9}, {0, 0, 0, 1, 1, 1, 1, 2, 2, 0, 0, 0, 0, 0, 0, 1, 1, 1})};
  for (const nn::QKNorm norm : {nn::QKNorm::None, nn::QKNorm::PerHead, nn::QKNorm::FullWidth}) {
    INFO(name_of(norm));
    nn::SelfAttention attn({.width = 12,
                            .heads = 3,
                            .kv_heads = 1,
                            .rotary = {.base = 100},
                            .window = 4,
                            .softcap = 5,
                            .qk_norm = norm,
                            .name = "attn"},
                           nn::WeightInit{});
    nn::initialize(attn, Seed{4});
    Tensor seen;
    {
      const Probe probe([&](const std::string& name, Pass, const Tensor& t) {
        if (name == "attn.hook_attn_scores_max") seen = t;
      });
      attn(x, mask, nn::evaluation());
    }
    REQUIRE(seen);
    // Queries and keys as the formulas have them: projected, normed, turned.
    const Tensor packed = attn.qkv(x);
    const auto turned = [](const Tensor& t, int64_t heads) {
      return rotary(t, {.heads = heads, .head_size = 4, .base = 100, .first_position = 0, .rotated = 4});
    };
    const Tensor q = turned(attn.inner.query(slice(packed, -1, 0, 12), Where::here()), 3);
    const Tensor k = turned(attn.inner.key(slice(packed, -1, 12, 16), Where::here()), 1);
    CHECK(error_of(seen, q, k,
                   {.heads = 3, .kv_heads = 1, .causal = true, .window = 4, .softcap = 5, .segments = mask.segments}) <
          2e-5);

    nn::CrossAttention cross({.width = 12, .heads = 3, .qk_norm = norm, .name = "cross"}, nn::WeightInit{});
    nn::initialize(cross, Seed{5});
    const nn::AttentionMask padding{.key_lengths = ids({2}, {7, 3})};
    {
      const Probe probe([&](const std::string& name, Pass, const Tensor& t) {
        if (name == "cross.hook_attn_scores_max") seen = t;
      });
      cross(x, memory, padding, nn::evaluation());
    }
    const Tensor keys = cross.inner.key(slice(cross.key_value(memory), -1, 0, 12), Where::here());
    CHECK(error_of(seen, cross.inner.query(cross.query(x), Where::here()), keys,
                   {.heads = 3, .key_lengths = padding.key_lengths}) < 2e-5);
  }
}

}  // namespace tape::inline TAPE_ABI::test
