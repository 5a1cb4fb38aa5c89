// Laws of attention: what a query may see, and what the order of tokens means to it.
#include <tape/nn/attention.h>

#include <cmath>
#include <limits>
#include <numeric>

#include <tape/core/ops/linear.h>
#include <tape/core/ops/rotary.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr int64_t width = 16;
constexpr double infinity = std::numeric_limits<double>::infinity();

nn::SelfAttention random_attention(nn::AttentionConfig config, uint64_t seed) {
  config.width = width;
  nn::SelfAttention attention(config, {});
  nn::initialize(attention, Seed{1});
  randomize(nn::parameters(attention), seed);
  return attention;
}

// Positions of each sequence of x (B, T, C) in another order.
Tensor permuted(const Tensor& x, const std::vector<int64_t>& order) {
  std::vector<Tensor> parts;
  for (const int64_t t : order) parts.push_back(slice(x, 1, t, t + 1));
  return concatenate(parts, 1);
}

Tensor tokens(const Tensor& x, int64_t begin, int64_t end) {
  return slice(x, 1, begin, end);
}

}  // namespace

TEST_CASE("A model does not look ahead: a later token leaves earlier logits as they are, bit for bit",
          "[nn][attention]") {
  for (const Choice& choice : all_choices()) {
    for (const nn::Positions positions : {nn::Positions::Learned, nn::Positions::Rotary}) {
      INFO(choice.name() << ", " << nn::name_of(positions));
      const nn::GPT gpt({.vocab = 13,
                         .context = 20,
                         .layers = 2,
                         .heads = 2,
                         .width = 16,
                         .scheme = choice.scheme,
                         .norm = choice.norm,
                         .positions = positions},
                        Seed{1});
      randomize(nn::parameters(gpt), 2);
      const Ids ids = random_ids({2, 20}, 13, 3);
      const Tensor before = gpt(ids, nn::evaluation());
      for (const int64_t changed : {19, 12, 1}) {
        Ids other = Ids::from({2, 20}, ids.values());
        other.mutable_data()[changed] = (ids.data()[changed] + 1) % 13;  // in the first sequence only
        const Tensor after = gpt(other, nn::evaluation());
        CHECK(same_bits(tokens(after, 0, changed), tokens(before, 0, changed)));
        CHECK_FALSE(same_bits(tokens(after, changed, 20), tokens(before, changed, 20)));
        CHECK(same_bits(slice(after, 0, 1, 2), slice(before, 0, 1, 2)));
      }
    }
  }
}

TEST_CASE("A shorter sequence has the same logits as the beginning of a longer one", "[nn][attention]") {
  const nn::GPT gpt({.vocab = 13, .context = 20, .layers = 2, .heads = 2, .width = 16}, Seed{1});
  randomize(nn::parameters(gpt), 2);
  const Ids ids = random_ids({1, 20}, 13, 3);
  const Tensor all = gpt(ids, nn::evaluation());
  for (const int64_t length : {1, 2, 7, 19}) {
    const Ids start = Ids::from({1, length}, ids.values().first(static_cast<std::size_t>(length)));
    CHECK(difference(gpt(start, nn::evaluation()), tokens(all, 0, length)) < 2e-6);
  }
}

TEST_CASE("Without positions, attention of permuted tokens is the permuted attention", "[nn][attention]") {
  const std::vector<int64_t> order = {3, 0, 6, 1, 5, 2, 4};
  const Tensor x = random_tensor({2, 7, width}, 1);
  const nn::SelfAttention plain = random_attention({.heads = 4}, 2);
  const auto apart = [&](const nn::SelfAttention& attention, const nn::AttentionMask& mask) {
    return difference(attention(permuted(x, order), mask, nn::evaluation()),
                      permuted(attention(x, mask, nn::evaluation()), order));
  };
  CHECK(apart(plain, {}) < 2e-6);
  CHECK(apart(plain, {.causal = true}) > 0.01);
  CHECK(apart(random_attention({.heads = 4, .rotary = {.base = 10000}}, 2), {}) > 0.01);
}

TEST_CASE("A mask of minus infinity hides keys as padding does", "[nn][attention]") {
  const nn::SelfAttention attention = random_attention({.heads = 2}, 2);
  const Tensor x = random_tensor({2, 5, width}, 1);
  Tensor mask = Tensor::zeros({2, 5, 5});
  for (int64_t query = 0; query < 5; ++query) {  // the last two keys of the first sequence
    for (int64_t key = 3; key < 5; ++key) mask.mutable_data()[query * 5 + key] = static_cast<real>(-infinity);
  }
  const Tensor by_mask = attention(x, {.additive = mask}, nn::evaluation());
  const Tensor by_length = attention(x, {.key_lengths = Ids::from({2}, {3, 5})}, nn::evaluation());
  CHECK(difference(by_mask, by_length) < 1e-6);
  // The first three tokens know nothing of the padding.
  const Tensor alone = attention(tokens(slice(x, 0, 0, 1), 0, 3), {}, nn::evaluation());
  CHECK(difference(tokens(slice(by_length, 0, 0, 1), 0, 3), alone) < 1e-6);
}

TEST_CASE("Rotary turns each pair by position times frequency", "[nn][attention]") {
  constexpr int64_t size = 6;  // of a head; pairs are (i, i + 3)
  const Tensor x = random_tensor({1, 4, 2 * size + 1}, 1);
  const Tensor y = rotary(x, {.heads = 2, .head_size = size, .base = 100, .first_position = 5});
  for (int64_t t = 0; t < 4; ++t) {
    const int64_t row = t * (2 * size + 1);
    for (int64_t head = 0; head < 2; ++head) {
      for (int64_t i = 0; i < 3; ++i) {
        const double angle = static_cast<double>(5 + t) * std::pow(100.0, -2.0 * static_cast<double>(i) / size);
        const int64_t at = row + head * size + i;
        const double a = x.data()[at];
        const double b = x.data()[at + 3];
        CHECK(y.data()[at] == Approx(a * std::cos(angle) - b * std::sin(angle)).margin(1e-6));
        CHECK(y.data()[at + 3] == Approx(a * std::sin(angle) + b * std::cos(angle)).margin(1e-6));
      }
    }
    CHECK(y.data()[row + 2 * size] == x.data()[row + 2 * size]);  // beyond the heads
  }
}

TEST_CASE("Scores of rotated queries and keys depend on their distance only", "[nn][attention]") {
  constexpr int64_t length = 9;
  constexpr int64_t size = 8;
  const auto rotated_scores = [&](const Tensor& q, const Tensor& k, int64_t first) {
    const RotaryOptions options{.heads = 1, .head_size = size, .base = 50, .first_position = first};
    return matmul(rotary(q, options), rotary(k, options), Transpose::no, Transpose::yes);
  };
  const Tensor q = random_tensor({1, length, size}, 1);
  const Tensor k = random_tensor({1, length, size}, 2);
  const Tensor scores = rotated_scores(q, k, 0);
  CHECK(difference(rotated_scores(q, k, 40), scores) < 2e-5);  // moved along together
  CHECK(difference(matmul(q, k, Transpose::no, Transpose::yes), scores) > 0.1);

  // The same query and key at every position: equal scores along each diagonal.
  const Tensor one_q = concatenate(std::vector<Tensor>(8, slice(q, 1, 0, 1)), 1);
  const Tensor one_k = concatenate(std::vector<Tensor>(8, slice(k, 1, 0, 1)), 1);
  const Tensor s = rotated_scores(one_q, one_k, 0);
  const auto at = [&](int64_t query, int64_t key) { return s.data()[query * 8 + key]; };
  for (int64_t query = 1; query < 8; ++query) {
    for (int64_t key = 1; key < 8; ++key) CHECK(at(query, key) == Approx(at(query - 1, key - 1)).margin(2e-6));
  }
  CHECK(std::abs(at(0, 0) - at(0, 5)) > 0.01);
}

TEST_CASE("Only queries and keys are turned by rotary positions, values are not", "[nn][attention]") {
  // With one token attention is the projection of its value, whatever its position.
  const nn::SelfAttention plain = random_attention({.heads = 2}, 2);
  const nn::SelfAttention turned = random_attention({.heads = 2, .rotary = {.base = 10}}, 2);
  const Tensor x = random_tensor({1, 6, width}, 1);
  Tensor only_self = Tensor::full({6, 6}, static_cast<real>(-infinity));
  for (int64_t t = 0; t < 6; ++t) only_self.mutable_data()[t * 7] = 0;
  const Tensor expected = plain(x, {.additive = only_self}, nn::evaluation());
  CHECK(difference(turned(x, {.additive = only_self}, nn::evaluation()), expected) < 1e-6);
}

TEST_CASE("Impossible head counts are refused with a width that would do", "[nn][attention]") {
  const auto message_of = [](const nn::AttentionConfig& config) {
    return error_of([&] { nn::SelfAttention(config, {}); });
  };
  CHECK(has_parts(message_of({.width = 10, .heads = 4}), {"width 10", "multiple of heads 4", "such as 12"}));
  CHECK(has_parts(message_of({.width = 0, .heads = 1}), {"width 0"}));
  CHECK(has_parts(message_of({.width = 8, .heads = 0}), {"heads 0"}));
  CHECK(has_parts(message_of({.width = 9, .heads = 3, .rotary = {.base = 100}}), {"even head size", "gives 3"}));
  CHECK_NOTHROW(nn::SelfAttention({.width = 9, .heads = 3}, {}));
}

}  // namespace tape::inline TAPE_ABI::test
