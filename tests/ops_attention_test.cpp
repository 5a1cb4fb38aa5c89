// attention, rotary and dropout: values by hand, laws, messages. The formula itself is tested against its twin.
#include <cmath>
#include <limits>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

constexpr real hidden = -std::numeric_limits<real>::infinity();

AttentionOptions heads(int64_t count, bool causal = false) {
  AttentionOptions options;
  options.heads = count;
  options.causal = causal;
  return options;
}

}  // namespace

TEST_CASE("attention with equal scores averages the values it sees", "[attention]") {
  const Tensor q = Tensor::zeros({1, 3, 2});
  const Tensor v = Tensor::from({1, 3, 2}, {3, 10, 6, 20, 9, 60});
  CHECK(difference(attention(q, q, v, heads(1)), Tensor::from({1, 3, 2}, {6, 30, 6, 30, 6, 30})) < 1e-6);
  CHECK(difference(attention(q, q, v, heads(2, true)), Tensor::from({1, 3, 2}, {3, 10, 4.5f, 15, 6, 30})) < 1e-6);
  AttentionOptions options = heads(1);
  options.key_lengths = Ids::from({1}, {2});
  CHECK(difference(attention(q, q, v, options), Tensor::from({1, 3, 2}, {4.5f, 15, 4.5f, 15, 4.5f, 15})) < 1e-6);
  options = heads(1);
  options.mask = Tensor::from({3, 3}, {0, hidden, hidden, hidden, hidden, 0, 0, hidden, 0});
  CHECK(difference(attention(q, q, v, options), Tensor::from({1, 3, 2}, {3, 10, 9, 60, 6, 35})) < 1e-6);
}

TEST_CASE("attention weights follow the scores", "[attention]") {
  // Scores scale·q·k of ln 1 and ln 3: weights 1/4 and 3/4.
  const Tensor q = Tensor::full({1, 1, 1}, 2);
  const Tensor k = Tensor::from({1, 2, 1}, {0, static_cast<real>(std::log(3.0))});
  const Tensor v = Tensor::from({1, 2, 1}, {0, 100});
  AttentionOptions options = heads(1);
  options.scale = 0.5;
  CHECK(attention(q, k, v, options).item() == Approx(75).epsilon(1e-6));
  // The default scale is 1/√D of the head, not of the width.
  const Tensor wide = random_tensor({1, 5, 8}, 1);
  options = heads(2);
  const Tensor by_default = attention(wide, wide, wide, options);
  options.scale = 0.5;
  CHECK(same_bits(by_default, attention(wide, wide, wide, options)));
}

TEST_CASE("attention does not depend on the order of the keys, nor on hidden ones", "[attention]") {
  const Tensor q = random_tensor({2, 4, 6}, 2);
  const Tensor k = random_tensor({2, 5, 6}, 3);
  const Tensor v = random_tensor({2, 5, 6}, 4);
  const auto turned = [](const Tensor& x) { return concatenate({slice(x, 1, 3, 5), slice(x, 1, 0, 3)}, 1); };
  CHECK(difference(attention(q, turned(k), turned(v), heads(3)), attention(q, k, v, heads(3))) < 1e-6);
  AttentionOptions options = heads(3);
  options.key_lengths = Ids::from({2}, {3, 3});
  CHECK(difference(attention(q, k, v, options), attention(q, slice(k, 1, 0, 3), slice(v, 1, 0, 3), heads(3))) < 1e-6);
}

TEST_CASE("Large scores do not overflow", "[attention]") {
  const Tensor q = Tensor::full({1, 2, 4}, 1e10f);
  const Tensor v = Tensor::from({1, 2, 4}, {1, 1, 1, 1, 3, 3, 3, 3});
  CHECK(difference(attention(q, q, v, heads(1)), Tensor::full({1, 2, 4}, 2)) < 1e-6);
}

TEST_CASE("A query that sees no key gets zeros, with and without gradients", "[attention]") {
  AttentionOptions options = heads(2);
  for (const int64_t keys : {1, 3, 40}) {
    const Inputs x = {random_tensor({1, 2, 4}, 8), random_tensor({1, keys, 4}, 9), random_tensor({1, keys, 4}, 10)};
    options.mask = Tensor::zeros({2, keys});
    std::fill_n(options.mask.mutable_data(), keys, hidden);
    const ValueAndGradients r =
        differentiate([&](const Inputs& in) { return attention(in[0], in[1], in[2], options); }, x);
    CHECK(same_bits(slice(r.value, 1, 0, 1), Tensor::zeros({1, 1, 4})));
    CHECK(same_bits(slice(r.gradients[0], 1, 0, 1), Tensor::zeros({1, 1, 4})));
    for (const Tensor& g : r.gradients) CHECK(difference(g, g) == 0);  // no NaN
  }
}

TEST_CASE("attention says what does not fit", "[attention][errors]") {
  const Tensor q = Tensor::zeros({2, 3, 6});
  const Tensor k = Tensor::zeros({2, 4, 6});
  const std::string file = "ops_attention_test.cpp:";
  const auto message = [&](const AttentionOptions& o) { return error_of([&] { attention(q, k, k, o); }); };
  CHECK(has_parts(message(heads(4)), {"attention: ", "width 6", "heads, 4", file}));
  CHECK(has_parts(message(heads(0)), {"attention: ", "heads, 0"}));
  CHECK(has_parts(error_of([&] { attention(q, k, q, heads(1)); }),
                  {"attention: ", "(2, 3, 6)", "(2, 4, 6)", "alike", file}));
  CHECK(has_parts(error_of([&] {
                    attention(q, Tensor::zeros({1, 4, 6}), Tensor::zeros({1, 4, 6}), heads(1));
                  }),
                  {"attention: ", "(2, 3, 6)", "(1, 4, 6)", "batch"}));
  CHECK(has_parts(error_of([&] { attention(Tensor::zeros({3, 6}), k, k, heads(1)); }), {"attention: ", "(3, 6)"}));
  AttentionOptions options = heads(2);
  options.mask = Tensor::zeros({3, 3});
  CHECK(has_parts(message(options), {"mask (3, 3)", "(3, 4)", "(2, 3, 4)", file}));
  options = heads(2);
  options.key_lengths = Ids(Shape{3});
  CHECK(has_parts(message(options), {"key_lengths (3)", "(2)"}));
  options = heads(2);
  options.dropout = 1;
  CHECK(has_parts(message(options), {"dropout", "below 1"}));
  options.dropout = 0.1;
  CHECK(has_parts(message(options), {"dropout", "random"}));
  CHECK(has_parts(error_of([&] { attention(q, k, Tensor(), heads(1)); }), {"attention: ", "argument 3", "empty"}));
  CHECK(has_parts(error_of([&] {
                    attention_packed(Tensor::zeros({1, 2, 8}), heads(1));
                  }),
                  {"attention_packed: ", "(1, 2, 8)", "3·width", file}));
  CHECK(has_parts(error_of([&] {
                    attention_packed(Tensor::zeros({1, 2, 9}), heads(2));
                  }),
                  {"attention_packed: ", "width 3", "2"}));
}

TEST_CASE("rotary turns pairs by the angle of their position", "[rotary]") {
  // D = 4: pairs (0, 2) and (1, 3), with angles t and t·base^(-1/2).
  const Tensor x = Tensor::from({1, 2, 5}, {1, 2, 0, 0, 9, 1, 2, 0, 0, 9});
  const Tensor y = rotary(x, {.heads = 1, .head_size = 4, .base = 100, .first_position = 0});
  const auto c = [](double a) { return static_cast<real>(std::cos(a)); };
  const auto s = [](double a) { return static_cast<real>(std::sin(a)); };
  CHECK(difference(y, Tensor::from({1, 2, 5}, {1, 2, 0, 0, 9, c(1), 2 * c(0.1), s(1), 2 * s(0.1), 9})) < 1e-6);
  // Starting at position 1 gives what row 1 has.
  const RotaryOptions later{.heads = 1, .head_size = 4, .base = 100, .first_position = 1};
  CHECK(same_bits(rotary(slice(x, 1, 1, 2), later), slice(y, 1, 1, 2)));
}

TEST_CASE("Scores of rotated queries and keys depend on their distance alone", "[rotary]") {
  const Tensor q = random_tensor({1, 1, 16}, 5);
  const Tensor k = random_tensor({1, 1, 16}, 6);
  const auto score = [&](int64_t a, int64_t b) {
    const auto at = [](const Tensor& x, int64_t position) {
      return rotary(x, {.heads = 2, .head_size = 8, .base = 10000, .first_position = position});
    };
    return sum(at(q, a) * at(k, b)).item();
  };
  CHECK(score(5, 3) == Approx(score(105, 103)).margin(1e-4));
  CHECK(score(0, 7) == Approx(score(40, 47)).margin(1e-4));
  CHECK(std::abs(score(5, 3) - score(5, 4)) > 1e-3);
}

TEST_CASE("rotary says what does not fit", "[rotary][errors]") {
  const std::initializer_list<std::string> parts = {"rotary: ", "(1, 2, 6)", "ops_attention_test.cpp:"};
  const Tensor x = Tensor::zeros({1, 2, 6});
  CHECK(has_parts(error_of([&] { rotary(x, {.heads = 2, .head_size = 4}); }), parts));
  CHECK(has_parts(error_of([&] { rotary(x, {.heads = 1, .head_size = 3}); }), parts));
  CHECK(has_parts(error_of([&] { rotary(x, {.heads = 0, .head_size = 2}); }), parts));
  CHECK(has_parts(error_of([&] {
                    rotary(Tensor::zeros({2, 6}), {.heads = 1, .head_size = 2});
                  }),
                  {"rotary: ", "(2, 6)"}));
}

TEST_CASE("dropout drops a share p and divides the rest by 1 - p", "[dropout]") {
  constexpr int64_t size = 100000;
  for (const double p : {0.1, 0.5, 0.9}) {
    Random random(Seed{1}, 2);
    const Tensor y = dropout(Tensor::full({size}, 1), p, random);
    CHECK(random.position() == 1);
    int64_t dropped = 0;
    int64_t odd = 0;
    for (const real v : y.values()) {
      dropped += v == 0;
      odd += v != 0 && v != static_cast<real>(1 / (1 - p));
    }
    CHECK(odd == 0);
    CHECK(std::abs(static_cast<double>(dropped) / size - p) < 4 * std::sqrt(p * (1 - p) / size));
  }
}

TEST_CASE("dropout depends on the draw alone, and its gradient uses the same mask", "[dropout]") {
  const Tensor x = random_tensor({1001}, 7);
  const auto f = [](uint64_t seed) {
    return [=](const Inputs& in) {
      Random random(Seed{seed}, 3);
      return dropout(in[0], 0.5, random);
    };
  };
  const ValueAndGradients a = differentiate(f(1), {x}, Tensor::full({1001}, 1));
  CHECK(same_bits(a.value, f(1)({x})));
  CHECK_FALSE(same_bits(a.value, f(2)({x})));
  CHECK(same_bits(a.value, x * a.gradients[0]));
  Random random(Seed{1}, 3);
  CHECK_FALSE(same_bits(dropout(x, 0.5, random), dropout(x, 0.5, random)));  // one draw after another
}

TEST_CASE("dropout at the ends of its range", "[dropout]") {
  const Tensor x = Tensor::full({5000}, 1);
  Random random(Seed{4});
  CHECK(same_bits(dropout(x, 0, random), x));
  CHECK(random.position() == 0);
  CHECK(same_bits(dropout(x, 1e-15, random), x));
  const std::string file = "ops_attention_test.cpp:";
  CHECK(has_parts(error_of([&] { dropout(x, 1, random); }), {"dropout: ", "p must", "1", file}));
  CHECK(has_parts(error_of([&] { dropout(x, -0.1, random); }), {"dropout: ", "-0.1", file}));
  CHECK(has_parts(error_of([&] { dropout(x, std::nan(""), random); }), {"dropout: ", "nan"}));
  CHECK(has_parts(error_of([&] { dropout(Tensor(), 0.5, random); }), {"dropout: ", "empty"}));
}

}  // namespace tape::test
