// What the forms of attention refuse, and the corners they accept.
#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

TEST_CASE("The forms of attention say what does not fit", "[attention][errors]") {
  const Tensor q = Tensor::zeros({2, 3, 8});
  const Tensor k = Tensor::zeros({2, 5, 8});
  const auto refused = [&](AttentionOptions options, std::initializer_list<std::string> parts) {
    options.heads = 4;
    const std::string message = error_of([&] { attention(q, k, k, options); });
    CHECK(has_parts(message, {"attention: ", "attention_errors_test.cpp:"}));
    CHECK(has_parts(message, parts));
  };
  refused({.kv_heads = 3}, {"heads, 4", "multiple of kv_heads, 3"});
  refused({.kv_heads = -1}, {"kv_heads, -1"});
  refused({.kv_heads = 2}, {"(2, 3, 8)", "(2, 5, 8)", "2 heads where q has 4"});
  refused({.keys = 6}, {"keys", "at most 5", "6"});
  refused({.keys = -1}, {"keys", "-1"});
  refused({.window = -1}, {"window", "-1"});
  refused({.softcap = -0.5}, {"softcap", "-0.5"});
  refused({.softcap = std::numeric_limits<double>::quiet_NaN()}, {"softcap"});
  // Distances between positions of two sequences mean nothing; with causal, the keys are a cache's.
  refused({.window = 2}, {"window, alibi and relative_bias", "3 queries", "5 keys"});
  refused({.alibi = true}, {"one sequence"});
  refused({.relative_bias = Tensor::zeros({8, 4})}, {"one sequence"});
  refused({.causal = true, .relative_bias = Tensor::zeros({8, 2})}, {"relative_bias (8, 2)", "(buckets, 4)"});
  refused({.causal = true, .relative_bias = Tensor::zeros({1, 4})}, {"relative_bias (1, 4)", "2 buckets or more"});
  refused({.causal = true, .relative_bias = Tensor::zeros({8, 4}), .max_distance = 4}, {"max_distance 4", "above 4"});
  refused({.segments = Ids(Shape{2, 4})}, {"segments (2, 4)", "(2, 3)", "each query"});
  refused({.segments = Ids(Shape{2, 3})}, {"segments without key_segments (2, 3)", "(2, 5)", "each key"});
  refused({.segments = Ids(Shape{2, 3}), .key_segments = Ids(Shape{2, 4})}, {"key_segments (2, 4)", "(2, 5)"});
  refused({.key_segments = Ids(Shape{2, 5})}, {"key_segments", "segments of the queries"});
  CHECK_NOTHROW(attention(q, k, k, {.heads = 4, .causal = true, .window = 2, .alibi = true}));
  CHECK(has_parts(error_of([&] {
                    attention(q, q, q, {.heads = 4, .relative_bias = Tensor::zeros({7, 4})});
                  }),
                  {"relative_bias (7, 4)", "even number of 4 buckets or more"}));
  CHECK(has_parts(error_of([&] {
                    attention_packed(Tensor::zeros({1, 2, 9}), {.heads = 4, .kv_heads = 2});
                  }),
                  {"attention_packed: ", "(1, 2, 9)", "(4 + 2·2)·head size"}));
  CHECK(has_parts(error_of([&] {
                    attention_packed(Tensor::zeros({1, 2, 12}), {.heads = 4, .keys = 1});
                  }),
                  {"attention_packed: ", "keys"}));
  CHECK(has_parts(error_of([&] { scale_heads(q, Tensor::zeros({3})); }), {"scale_heads: ", "(2, 3, 8)", "(3)"}));
  CHECK(has_parts(error_of([&] { rotary(q, {.heads = 2, .head_size = 4, .rotated = 6}); }),
                  {"rotary: ", "(2, 3, 8)", "not 6"}));
  CHECK(has_parts(error_of([&] { rotary(q, {.heads = 2, .head_size = 4, .rotated = 3}); }),
                  {"rotary: ", "even", "not 3"}));
}

TEST_CASE("The largest window there is hides nothing", "[attention][forms]") {
  const Tensor x = random_tensor({1, 90, 8}, 1);
  for (const bool causal : {false, true}) {
    const AttentionOptions plain{.heads = 2, .causal = causal};
    AttentionOptions wide = plain;
    wide.window = std::numeric_limits<int64_t>::max();
    CHECK(same_bits(attention(x, x, x, wide), attention(x, x, x, plain)));
  }
}

TEST_CASE("A window of one lets each query see itself alone", "[attention][forms]") {
  const Tensor x = random_tensor({2, 70, 8}, 1);
  const Tensor v = random_tensor({2, 70, 8}, 2);
  for (const bool causal : {false, true}) {
    CHECK(same_bits(attention(x, x, v, {.heads = 2, .causal = causal, .window = 1}), v));
  }
}

TEST_CASE("A cap bounds what a key can be worth", "[attention][forms]") {
  // Two keys whose scores are far apart: with a cap c the weights differ by a factor of e^2c at most.
  const Tensor q = Tensor::full({1, 1, 1}, 100);
  const Tensor k = Tensor::from({1, 2, 1}, {-100, 100});
  const Tensor v = Tensor::from({1, 2, 1}, {0, 1});
  for (const double cap : {0.5, 2.0, 5.0}) {
    const double weight = attention(q, k, v, {.heads = 1, .softcap = cap}).item();
    CHECK(weight == Approx(1 / (1 + std::exp(-2 * cap))).epsilon(1e-5));
  }
  CHECK(attention(q, k, v, {.heads = 1}).item() == 1);
}

TEST_CASE("Room for more keys is never read", "[attention][forms]") {
  const int64_t keys = 70;
  for (const int64_t queries : {1, 12}) {
    const Tensor q = random_tensor({2, queries, 8}, 1);
    Tensor k = Tensor::full({2, 100, 4}, std::numeric_limits<real>::quiet_NaN());
    Tensor v = k.copy();
    const Tensor k_alone = random_tensor({2, keys, 4}, 2);
    const Tensor v_alone = random_tensor({2, keys, 4}, 3);
    for (int64_t b = 0; b < 2; ++b) {
      std::copy_n(k_alone.data() + b * keys * 4, keys * 4, k.mutable_data() + b * 100 * 4);
      std::copy_n(v_alone.data() + b * keys * 4, keys * 4, v.mutable_data() + b * 100 * 4);
    }
    for (const bool alibi : {false, true}) {
      const AttentionOptions plain{.heads = 4, .kv_heads = 2, .causal = true, .window = 60, .alibi = alibi};
      AttentionOptions with_room = plain;
      with_room.keys = keys;
      CHECK(same_bits(attention(q, k, v, with_room), attention(q, k_alone, v_alone, plain)));
      const Tensor dy = random_tensor({2, queries, 8}, 4);
      const auto gradients = [&](const AttentionOptions& o, const Tensor& of_k, const Tensor& of_v) {
        return differentiate([&](const Inputs& x) { return attention(x[0], x[1], x[2], o); }, {q, of_k, of_v}, dy)
            .gradients;
      };
      const Inputs alone = gradients(plain, k_alone, v_alone);
      const Inputs roomy = gradients(with_room, k, v);
      CHECK(same_bits(roomy[0], alone[0]));
      for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
        CHECK(same_bits(slice(roomy[i], 1, 0, keys), alone[i]));
        CHECK(same_bits(slice(roomy[i], 1, keys, 100), Tensor::zeros({2, 100 - keys, 4})));
      }
    }
  }
}

TEST_CASE("Keys that are padding, of other segments or beyond the window may be anything finite",
          "[attention][forms]") {
  const Tensor x = random_tensor({1, 100, 8}, 1);
  Ids segments(Shape{1, 100});
  for (int64_t t = 0; t < 100; ++t) segments.mutable_data()[t] = t < 50 ? 0 : t < 90 ? 7 : -1;
  const AttentionOptions options{.heads = 2, .window = 30, .segments = segments};
  const Tensor before = attention(x, x, x, options);
  Tensor y = x.copy();
  std::fill(y.mutable_data() + 50 * 8, y.mutable_data() + y.size(), real{1e6});  // all but the first segment
  const Tensor after = attention(x, y, y, options);
  CHECK(difference(slice(after, 1, 0, 50), slice(before, 1, 0, 50)) < 1e-6);
  CHECK(same_bits(slice(after, 1, 90, 100), Tensor::zeros({1, 10, 8})));
}

}  // namespace tape::test
