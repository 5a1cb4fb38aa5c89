// Fused attention in all its forms against the formula in simpler ops, forward and backward, in f32: repeated key
// heads, hidden keys as a mask, ALiBi as a mask, the cap as tanh, and relative biases gathered from their table.
#include <cmath>
#include <limits>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/attention_reference.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

using In = const Inputs&;
constexpr real hidden = -std::numeric_limits<real>::infinity();

struct Sizes {
  int64_t batch, heads, kv_heads, queries, keys, head_size;
};

// What is added to the scores (T, S) of one head, but for the learned bias.
Tensor fixed_bias(const AttentionOptions& o, const Sizes& n, int64_t b, int64_t h) {
  Tensor bias = Tensor::zeros({n.queries, n.keys});
  for (int64_t t = 0; t < n.queries; ++t) {
    for (int64_t s = 0; s < n.keys; ++s) {
      real& x = bias.mutable_data()[t * n.keys + s];
      if (o.mask) x = o.mask.data()[t * n.keys + s];
      const auto distance = static_cast<double>(std::abs(t + n.keys - n.queries - s));
      if (o.alibi) x -= static_cast<real>(alibi_slope(h, n.heads) * distance);
      if (!sees(o, n.queries, n.keys, b, t, s)) x = hidden;
    }
  }
  return bias;
}

// Column h of the table's rows for every pair: (T, S).
Tensor learned_bias(const AttentionOptions& o, const Sizes& n, int64_t h) {
  Ids rows(Shape{n.queries * n.keys});
  for (int64_t i = 0; i < rows.size(); ++i) {
    const int64_t position = i % n.keys - (i / n.keys + n.keys - n.queries);
    rows.mutable_data()[i] =
        static_cast<int32_t>(relative_bucket(position, !o.causal, o.relative_bias.shape()[0], o.max_distance));
  }
  return reshape(slice(gather_rows(o.relative_bias, rows), 1, h, h + 1), {n.queries, n.keys});
}

Tensor one_head(const AttentionOptions& o, const Sizes& n, int64_t b, int64_t h, In x) {
  const auto head = [&](const Tensor& t, int64_t which) {
    const Tensor part = slice(slice(t, 0, b, b + 1), 2, which * n.head_size, (which + 1) * n.head_size);
    return reshape(part, {t.shape()[1], n.head_size});
  };
  const int64_t g = h / (n.heads / n.kv_heads);
  const double factor = o.scale.value_or(1 / std::sqrt(static_cast<double>(n.head_size)));
  Tensor scores = scale(matmul(head(x[0], h), head(x[1], g), Transpose::no, Transpose::yes), factor);
  if (o.softcap > 0) scores = scale(tanh(scale(scores, 1 / o.softcap)), o.softcap);
  if (o.relative_bias) scores = scores + learned_bias(o, n, h);
  return matmul(softmax(scores + fixed_bias(o, n, b, h)), head(x[2], g));
}

Tensor composed_attention(In x, const AttentionOptions& o, const Sizes& n) {
  std::vector<Tensor> batch;
  for (int64_t b = 0; b < n.batch; ++b) {
    std::vector<Tensor> heads;
    for (int64_t h = 0; h < n.heads; ++h) heads.push_back(one_head(o, n, b, h, x));
    batch.push_back(reshape(concatenate(heads, 1), {1, n.queries, n.heads * n.head_size}));
  }
  return concatenate(batch, 0);
}

// Inputs q, k, v and, for `buckets` above 0, the table of relative biases.
void check_twin(AttentionOptions o, const Sizes& n, int64_t buckets = 0) {
  INFO("T " << n.queries << ", S " << n.keys << ", KV " << n.kv_heads << ", window " << o.window);
  o.heads = n.heads;
  o.kv_heads = n.kv_heads;
  Inputs inputs = {random_tensor({n.batch, n.queries, n.heads * n.head_size}, 1, -2, 2),
                   random_tensor({n.batch, n.keys, n.kv_heads * n.head_size}, 2, -2, 2),
                   random_tensor({n.batch, n.keys, n.kv_heads * n.head_size}, 3)};
  if (buckets > 0) inputs.push_back(random_tensor({buckets, n.heads}, 4));
  const auto with_table = [&](In x) {
    AttentionOptions all = o;
    if (buckets > 0) all.relative_bias = x[3];
    return all;
  };
  const ValueAndGradients fused =
      differentiate([&](In x) { return attention(x[0], x[1], x[2], with_table(x)); }, inputs);
  const ValueAndGradients twin = differentiate([&](In x) { return composed_attention(x, with_table(x), n); }, inputs);
  CHECK(difference(fused.value, twin.value) < 5e-6);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    INFO("gradient of input " << i);
    CHECK(difference(fused.gradients[i], twin.gradients[i], 0.1) < 2e-5);  // a window of 1 leaves rounding alone
  }
}

// Texts of `each` tokens side by side, with another first number in each row of the batch.
Ids texts(const Sizes& n, int64_t length, int64_t each) {
  Ids ids(Shape{n.batch, length});
  for (int64_t i = 0; i < ids.size(); ++i) {
    ids.mutable_data()[i] = static_cast<int32_t>(i % length / each + i / length);
  }
  return ids;
}

const Sizes self[] = {{2, 4, 2, 7, 7, 5}, {1, 4, 1, 64, 64, 8}, {1, 2, 2, 150, 150, 16}};
const Sizes cached[] = {{2, 4, 2, 3, 9, 4}, {1, 2, 1, 70, 200, 8}};

}  // namespace

TEST_CASE("attention with shared key heads equals its formula in simpler ops", "[twins][attention]") {
  for (const Sizes& n : self) check_twin({.causal = true}, n);
  for (const Sizes& n : cached) check_twin({}, n);
}

TEST_CASE("attention in a window equals its formula, on one side and on both", "[twins][attention]") {
  for (const int64_t window : {1, 3, 64, 90, 1000}) {
    for (const Sizes& n : self) {
      check_twin({.causal = true, .window = window}, n);
      check_twin({.window = window}, n);
    }
    for (const Sizes& n : cached) check_twin({.causal = true, .window = window}, n);
  }
}

TEST_CASE("attention with ALiBi, a cap or relative biases equals its formula", "[twins][attention]") {
  for (const Sizes& n : self) {
    for (const bool causal : {false, true}) {
      check_twin({.causal = causal, .alibi = true}, n);
      check_twin({.causal = causal, .softcap = 0.7}, n);
      check_twin({.causal = causal}, n, 32);
      check_twin({.causal = causal, .max_distance = 9}, n, 12);
    }
  }
  for (const Sizes& n : cached) check_twin({.causal = true, .alibi = true, .scale = 1}, n, 32);
}

TEST_CASE("attention on segments equals its formula", "[twins][attention]") {
  for (const Sizes& n : self) {
    for (const int64_t each : {1, 3, 50}) {
      check_twin({.segments = texts(n, n.keys, each)}, n);
      check_twin({.causal = true, .segments = texts(n, n.keys, each)}, n);
    }
    check_twin({.causal = true, .segments = random_ids({n.batch, n.keys}, 3, 9)}, n);  // in no order
  }
  for (const Sizes& n : cached) {
    check_twin({.segments = texts(n, n.queries, n.queries), .key_segments = texts(n, n.keys, n.keys / 2)}, n);
  }
}

TEST_CASE("All forms of attention at once equal their formula", "[twins][attention]") {
  for (const Sizes& n : self) {
    AttentionOptions all{.causal = true,
                         .window = 40,
                         .alibi = true,
                         .softcap = 1.5,
                         .mask = random_tensor({n.queries, n.keys}, 5),
                         .segments = texts(n, n.keys, 70),
                         .max_distance = 20,
                         .scale = 0.3};
    check_twin(all, n, 8);
    all.causal = false;
    check_twin(all, n, 8);
  }
}

TEST_CASE("Dropout in a window drops what it drops without one", "[attention][forms]") {
  // The window's first key is no multiple of four: the random words must still be those of the key.
  const Tensor x = random_tensor({1, 130, 8}, 1);
  const auto dropped = [&](int64_t window, const Tensor& mask) {
    Random random(Seed{4}, 1);
    return attention(x, x, x, {.heads = 2, .causal = true, .window = window, .mask = mask, .dropout = 0.4}, &random);
  };
  for (const int64_t window : {5, 30}) {
    Tensor mask = Tensor::zeros({130, 130});
    for (int64_t i = 0; i < mask.size(); ++i) {
      if (i / 130 - i % 130 >= window) mask.mutable_data()[i] = hidden;
    }
    CHECK(difference(dropped(window, {}), dropped(0, mask)) < 2e-6);
  }
}

}  // namespace tape::test
