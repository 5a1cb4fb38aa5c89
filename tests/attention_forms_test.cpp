// Attention's forms against plain attention with masks and repeated heads, and the laws that name each of them.
#include <cmath>
#include <limits>

#include <tape/core/ops/attention.h>
#include <tape/core/ops/attention_bias.h>
#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/rotary.h>
#include <tape/core/ops/shape_ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

constexpr int64_t length = 90;  // more than one block of queries
constexpr int64_t size = 4;
constexpr real hidden = -std::numeric_limits<real>::infinity();

Tensor queries(int64_t heads = 4) {
  return random_tensor({2, length, heads * size}, 1, -2, 2);
}
Tensor keys(int64_t heads = 4) {
  return random_tensor({2, length, heads * size}, 2, -2, 2);
}
Tensor values(int64_t heads = 4) {
  return random_tensor({2, length, heads * size}, 3);
}

// (B, T, KV·D) with each head as often as queries share it.
Tensor repeated(const Tensor& x, int64_t times) {
  std::vector<Tensor> heads;
  for (int64_t h = 0; h < x.last() / size; ++h) {
    for (int64_t i = 0; i < times; ++i) heads.push_back(slice(x, -1, h * size, (h + 1) * size));
  }
  return concatenate(heads, -1);
}

template <class Sees>
Tensor mask_where(const Sees& sees) {
  Tensor mask = Tensor::zeros({2, length, length});
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t t = 0; t < length; ++t) {
      for (int64_t s = 0; s < length; ++s) {
        if (!sees(b, t, s)) mask.mutable_data()[(b * length + t) * length + s] = hidden;
      }
    }
  }
  return mask;
}

void check_same(const AttentionOptions& form, const AttentionOptions& plain) {
  const Tensor ours = attention(queries(), keys(), values(), form);
  CHECK(difference(ours, attention(queries(), keys(), values(), plain)) < 3e-6);
}

}  // namespace

TEST_CASE("Shared key heads are those heads repeated for neighbouring queries", "[attention][forms]") {
  for (const int64_t shared : {1, 2, 4}) {
    const Tensor k = keys(shared);
    const Tensor v = values(shared);
    const Tensor ours = attention(queries(), k, v, {.heads = 4, .kv_heads = shared, .causal = true});
    const Tensor plain =
        attention(queries(), repeated(k, 4 / shared), repeated(v, 4 / shared), {.heads = 4, .causal = true});
    CHECK(difference(ours, plain) < 2e-6);
    const Tensor packed = concatenate({queries(), k, v}, -1);
    CHECK(difference(attention_packed(packed, {.heads = 4, .kv_heads = shared, .causal = true}), plain) < 2e-6);
  }
}

TEST_CASE("A window hides what is farther away, and a wide one nothing", "[attention][forms]") {
  const Tensor causal = mask_where([](int64_t, int64_t t, int64_t s) { return s <= t && t - s < 5; });
  check_same({.heads = 4, .causal = true, .window = 5}, {.heads = 4, .mask = causal});
  const Tensor both = mask_where([](int64_t, int64_t t, int64_t s) { return std::abs(t - s) < 5; });
  check_same({.heads = 4, .window = 5}, {.heads = 4, .mask = both});
  check_same({.heads = 4, .causal = true, .window = length}, {.heads = 4, .causal = true});
}

TEST_CASE("Packed segments see themselves alone, and padding is seen by nothing", "[attention][forms]") {
  Ids segments({2, length});
  for (int64_t i = 0; i < segments.size(); ++i) {
    segments.mutable_data()[i] = i % length >= 80 ? -1 : static_cast<int32_t>(i % length / 23);
  }
  const auto sees = [&](int64_t b, int64_t t, int64_t s) {
    const int32_t of = segments.data()[b * length + t];
    return of >= 0 && of == segments.data()[b * length + s];
  };
  check_same({.heads = 4, .causal = true, .segments = segments},
             {.heads = 4, .causal = true, .mask = mask_where(sees)});
}

TEST_CASE("ALiBi adds -slope·distance, with the slopes of the paper", "[attention][forms]") {
  for (int64_t h = 0; h < 8; ++h) CHECK(alibi_slope(h, 8) == Approx(std::pow(2.0, -static_cast<double>(h + 1))));
  const double of_twelve[] = {0.5,       0.25,       0.125,      0.0625,     0.03125,    0.015625,
                              0.0078125, 0.00390625, 0.70710678, 0.35355339, 0.17677670, 0.08838835};
  for (int64_t h = 0; h < 12; ++h) CHECK(alibi_slope(h, 12) == Approx(of_twelve[h]).epsilon(1e-6));
  Tensor mask = Tensor::zeros({length, length});  // one head has the slope 2^-8
  for (int64_t t = 0; t < length; ++t) {
    for (int64_t s = 0; s < length; ++s)
      mask.mutable_data()[t * length + s] = static_cast<real>(-std::abs(t - s)) / 256;
  }
  const Tensor ours = attention(queries(1), keys(1), values(1), {.heads = 1, .causal = true, .alibi = true});
  const Tensor plain = attention(queries(1), keys(1), values(1), {.heads = 1, .causal = true, .mask = mask});
  CHECK(difference(ours, plain) < 3e-6);
}

TEST_CASE("Relative buckets are those of T5", "[attention][forms]") {
  // From the published formula, 32 buckets and a largest distance of 128.
  CHECK(relative_bucket(0, true, 32, 128) == 0);
  CHECK(relative_bucket(-7, true, 32, 128) == 7);
  CHECK(relative_bucket(-8, true, 32, 128) == 8);
  CHECK(relative_bucket(-200, true, 32, 128) == 15);
  CHECK(relative_bucket(1, true, 32, 128) == 17);
  CHECK(relative_bucket(200, true, 32, 128) == 31);
  CHECK(relative_bucket(5, false, 32, 128) == 0);
  CHECK(relative_bucket(-15, false, 32, 128) == 15);
  CHECK(relative_bucket(-127, false, 32, 128) == 31);
}

TEST_CASE("A soft cap bounds the scores, and a high one changes nothing", "[attention][forms]") {
  check_same({.heads = 4, .causal = true, .softcap = 1e4}, {.heads = 4, .causal = true});
  // A cap near zero makes all scores alike: the mean of the values seen.
  const Tensor flat = attention(queries(), keys(), values(), {.heads = 4, .softcap = 1e-6});
  const Tensor none = attention(scale(queries(), 0), keys(), values(), {.heads = 4});
  CHECK(difference(flat, none) < 1e-5);
}

TEST_CASE("The layouts of rotary positions differ by an order of the columns", "[attention][forms]") {
  const Tensor x = random_tensor({1, 6, 8}, 1);
  const auto reordered = [](const Tensor& y) {  // pairs (i, i+4) beside each other
    std::vector<Tensor> columns;
    for (int64_t i = 0; i < 4; ++i) {
      columns.push_back(slice(y, -1, i, i + 1));
      columns.push_back(slice(y, -1, i + 4, i + 5));
    }
    return concatenate(columns, -1);
  };
  const Tensor halves = rotary(x, {.heads = 1, .head_size = 8});
  const Tensor pairs = rotary(reordered(x), {.heads = 1, .head_size = 8, .layout = RotaryLayout::interleaved});
  CHECK(difference(reordered(halves), pairs) < 1e-6);
  const Tensor partial = rotary(x, {.heads = 1, .head_size = 8, .rotated = 4});
  CHECK(same_bits(slice(partial, -1, 4, 8), slice(x, -1, 4, 8)));
  CHECK(same_bits(slice(partial, -1, 0, 4), rotary(slice(x, -1, 0, 4), {.heads = 1, .head_size = 4})));
}

}  // namespace tape::test
