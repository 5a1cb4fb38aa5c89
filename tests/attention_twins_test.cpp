// Fused attention against the formula in simpler ops, head by head, in f32: every variant, lengths below and above the
// number of queries of one block.
#include <cmath>
#include <limits>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

using In = const Inputs&;
constexpr real hidden = -std::numeric_limits<real>::infinity();

struct Sizes {
  int64_t batch, heads, queries, keys, head_size;
};

// What is added to the scores (T, S) of batch element b: the mask, and -infinity where a key is hidden.
Tensor additive_mask(const AttentionOptions& o, const Sizes& n, int64_t b) {
  Tensor mask = Tensor::zeros({n.queries, n.keys});
  for (int64_t t = 0; t < n.queries; ++t) {
    for (int64_t s = 0; s < n.keys; ++s) {
      real& m = mask.mutable_data()[t * n.keys + s];
      if (o.mask) m = o.mask.data()[((o.mask.rank() == 3 ? b * n.queries : 0) + t) * n.keys + s];
      if (o.causal && s > t + n.keys - n.queries) m = hidden;
      if (o.key_lengths && s >= o.key_lengths.data()[b]) m = hidden;
    }
  }
  return mask;
}

// Attention of one head of one batch element, with the weights multiplied by `factors` (T, S) if given.
Tensor one_head(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, double factor,
                const Tensor& factors) {
  const Tensor scores = scale(matmul(q, k, Transpose::no, Transpose::yes), factor) + mask;
  const Tensor weights = softmax(scores);
  return matmul(factors ? weights * factors : weights, v);
}

// factors (B·H, T, S), or no tensor.
Tensor composed_attention(In x, const AttentionOptions& o, const Sizes& n, const Tensor& factors = {}) {
  const double factor = o.scale.value_or(1 / std::sqrt(static_cast<double>(n.head_size)));
  const auto head = [&](const Tensor& t, int64_t b, int64_t h, int64_t length) {
    const Tensor part = slice(slice(t, 0, b, b + 1), 2, h * n.head_size, (h + 1) * n.head_size);
    return reshape(part, {length, n.head_size});
  };
  std::vector<Tensor> batch;
  for (int64_t b = 0; b < n.batch; ++b) {
    const Tensor mask = additive_mask(o, n, b);
    std::vector<Tensor> heads;
    for (int64_t h = 0; h < n.heads; ++h) {
      const int64_t at = b * n.heads + h;
      const Tensor kept = factors ? reshape(slice(factors, 0, at, at + 1), {n.queries, n.keys}) : Tensor();
      heads.push_back(one_head(head(x[0], b, h, n.queries), head(x[1], b, h, n.keys), head(x[2], b, h, n.keys), mask,
                               factor, kept));
    }
    batch.push_back(reshape(concatenate(heads, 1), {1, n.queries, n.heads * n.head_size}));
  }
  return concatenate(batch, 0);
}

Inputs inputs_of(const Sizes& n) {
  const int64_t width = n.heads * n.head_size;
  return {random_tensor({n.batch, n.queries, width}, 1), random_tensor({n.batch, n.keys, width}, 2),
          random_tensor({n.batch, n.keys, width}, 3)};
}

void check_close(const ValueAndGradients& a, const ValueAndGradients& b) {
  CHECK(difference(a.value, b.value) < 3e-6);
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    INFO("gradient of input " << i);
    CHECK(difference(a.gradients[i], b.gradients[i], 1e-2) < 2e-5);
  }
}

void check_variant(const AttentionOptions& options, const Sizes& n) {
  INFO("B " << n.batch << ", H " << n.heads << ", T " << n.queries << ", S " << n.keys << ", D " << n.head_size);
  const Inputs inputs = inputs_of(n);
  check_close(differentiate([&](In x) { return attention(x[0], x[1], x[2], options); }, inputs),
              differentiate([&](In x) { return composed_attention(x, options, n); }, inputs));
}

const Sizes self[] = {{1, 1, 1, 1, 1}, {2, 3, 7, 7, 5}, {2, 2, 64, 64, 16}, {1, 2, 150, 150, 32}};
const Sizes cross[] = {{2, 2, 3, 9, 4}, {1, 3, 1, 70, 8}, {2, 1, 130, 257, 16}};

AttentionOptions with_heads(const Sizes& n, bool causal = false) {
  AttentionOptions options;
  options.heads = n.heads;
  options.causal = causal;
  return options;
}

}  // namespace

TEST_CASE("attention equals its formula in simpler ops", "[twins][attention]") {
  for (const Sizes& n : self) {
    check_variant(with_heads(n), n);
    check_variant(with_heads(n, true), n);
  }
  for (const Sizes& n : cross) {
    check_variant(with_heads(n), n);
    check_variant(with_heads(n, true), n);
    AttentionOptions scaled = with_heads(n);
    scaled.scale = 0.7;
    check_variant(scaled, n);
  }
}

TEST_CASE("attention with masks and key lengths equals its formula in simpler ops", "[twins][attention]") {
  for (const Sizes& n : {Sizes{2, 2, 5, 8, 4}, Sizes{3, 2, 130, 140, 16}}) {
    for (const bool causal : {false, true}) {
      AttentionOptions options = with_heads(n, causal);
      options.mask = random_tensor({n.queries, n.keys}, 4);
      for (int64_t i = 1; i < options.mask.size(); i += 3) options.mask.mutable_data()[i] = hidden;
      for (int64_t t = 0; t < n.queries; ++t) options.mask.mutable_data()[t * n.keys] = 0;  // each sees one key
      check_variant(options, n);
      options.mask = random_tensor({n.batch, n.queries, n.keys}, 5);
      check_variant(options, n);
      options.key_lengths = Ids(Shape{n.batch});
      for (int64_t b = 0; b < n.batch; ++b) options.key_lengths.mutable_data()[b] = static_cast<int32_t>(1 + b * 3);
      check_variant(options, n);
      options.mask = {};
      check_variant(options, n);
    }
  }
}

TEST_CASE("attention with dropout multiplies the weights by a mask that only depends on the draw",
          "[twins][attention]") {
  // With values that are the rows of the identity, the output is the matrix of weights itself.
  for (const int64_t length : {6, 150}) {
    const Sizes n{2, 2, length, length, length};
    AttentionOptions options = with_heads(n, true);
    Inputs inputs = inputs_of(n);
    Tensor identity = Tensor::zeros(inputs[2].shape());
    for (int64_t row = 0; row < n.batch * length; ++row) {
      for (int64_t h = 0; h < n.heads; ++h) {
        identity.mutable_data()[row * n.heads * length + h * length + row % length] = 1;
      }
    }
    const Tensor plain = attention(inputs[0], inputs[1], identity, options);
    options.dropout = 0.3;
    const auto dropped = [&](In x) {
      Random random(Seed{9}, 1);
      return attention(x[0], x[1], x[2], options, &random);
    };
    const Tensor weights = dropped({inputs[0], inputs[1], identity});
    Tensor factors = Tensor::zeros({n.batch * n.heads, length, length});
    int64_t kept = 0;
    int64_t seen = 0;
    int64_t odd = 0;
    for (int64_t b = 0; b < n.batch; ++b) {
      for (int64_t t = 0; t < length; ++t) {
        for (int64_t h = 0; h < n.heads; ++h) {
          for (int64_t s = 0; s <= t; ++s) {
            const int64_t from = ((b * length + t) * n.heads + h) * length + s;
            const real factor = weights.data()[from] / plain.data()[from];
            factors.mutable_data()[((b * n.heads + h) * length + t) * length + s] = factor;
            ++seen;
            kept += factor != 0;
            odd += factor != 0 && std::abs(factor - 1 / 0.7f) > 1e-5f;
          }
        }
      }
    }
    CHECK(odd == 0);
    CHECK(std::abs(static_cast<double>(kept) / static_cast<double>(seen) - 0.7) <
          4 * std::sqrt(0.21 / static_cast<double>(seen)));
    check_close(differentiate(dropped, inputs),
                differentiate([&](In x) { return composed_attention(x, options, n, factors); }, inputs));
  }
}

TEST_CASE("attention_packed equals attention on the three parts, with and without dropout", "[twins][attention]") {
  for (const Sizes& n : self) {
    const int64_t width = n.heads * n.head_size;
    for (const double dropout : {0.0, 0.25}) {
      AttentionOptions options = with_heads(n, true);
      options.dropout = dropout;
      options.mask = random_tensor({n.queries, n.keys}, 6);
      const Inputs packed = {random_tensor({n.batch, n.queries, 3 * width}, 7)};
      const ValueAndGradients fused = differentiate(
          [&](In x) {
            Random random(Seed{2}, 3);
            return attention_packed(x[0], options, &random);
          },
          packed);
      const ValueAndGradients parts = differentiate(
          [&](In x) {
            Random random(Seed{2}, 3);
            const auto part = [&](int64_t i) { return slice(x[0], 2, i * width, (i + 1) * width); };
            return attention(part(0), part(1), part(2), options, &random);
          },
          packed);
      CHECK(difference(fused.value, parts.value) < 1e-6);
      CHECK(difference(fused.gradients[0], parts.gradients[0], 1e-2) < 5e-6);
    }
  }
}

TEST_CASE("Causal attention does not see later positions, and a cache continues it", "[attention]") {
  const Sizes n{1, 2, 90, 90, 8};
  const AttentionOptions options = with_heads(n, true);
  Inputs x = inputs_of(n);
  const Tensor before = attention(x[0], x[1], x[2], options);
  for (const int64_t changed : {1, 64, 89}) {  // numbers from here on change, the outputs before do not
    Inputs y = {x[0].copy(), x[1].copy(), x[2].copy()};
    for (Tensor& t : y) std::fill(t.mutable_data() + changed * 16, t.mutable_data() + t.size(), real{5});
    const Tensor after = attention(y[0], y[1], y[2], options);
    CHECK(difference(slice(after, 1, 0, changed), slice(before, 1, 0, changed)) < 1e-6);
  }
  const Tensor last = attention(slice(x[0], 1, 89, 90), x[1], x[2], options);
  CHECK(difference(last, slice(before, 1, 89, 90)) < 1e-6);
}

}  // namespace tape::test
