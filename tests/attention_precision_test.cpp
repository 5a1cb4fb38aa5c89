// Attention in bf16 against its formulas in double, with every factor of a product rounded where attention rounds it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <tape/core/bf16.h>
#include <tape/core/ops/attention.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/nn/attention.h>

#include "catch.h"
#include "support/nn_models.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

struct Sizes {
  int64_t heads, queries, keys, head_size;
};

double rounded_number(double x) {
  return to_f32(round_to_bf16(static_cast<float>(x)));
}

// (rows, columns) in double.
struct Grid {
  Grid(int64_t rows_, int64_t columns_)
      : rows(rows_), columns(columns_), data(static_cast<std::size_t>(rows_ * columns_)) {}
  double& operator()(int64_t i, int64_t j) { return data[static_cast<std::size_t>(i * columns + j)]; }
  double operator()(int64_t i, int64_t j) const { return data[static_cast<std::size_t>(i * columns + j)]; }

  int64_t rows, columns;
  std::vector<double> data;
};

// Head h of x (1, rows, H·D).
Grid head_of(const Tensor& x, int64_t h, int64_t size) {
  Grid g(x.shape()[1], size);
  for (int64_t i = 0; i < g.rows; ++i) {
    for (int64_t j = 0; j < size; ++j) g(i, j) = static_cast<double>(x.data()[i * x.last() + h * size + j]);
  }
  return g;
}
void put_head(const Grid& g, Tensor& x, int64_t h) {
  for (int64_t i = 0; i < g.rows; ++i) {
    for (int64_t j = 0; j < g.columns; ++j) {
      x.mutable_data()[i * x.last() + h * g.columns + j] = static_cast<real>(g(i, j));
    }
  }
}

Grid transposed(const Grid& a) {
  Grid t(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < a.columns; ++j) t(j, i) = a(i, j);
  }
  return t;
}

// alpha·A·B of rounded factors.
Grid product(double alpha, const Grid& a, const Grid& b) {
  Grid c(a.rows, b.columns);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < b.columns; ++j) {
      for (int64_t p = 0; p < a.columns; ++p) c(i, j) += alpha * rounded_number(a(i, p)) * rounded_number(b(p, j));
    }
  }
  return c;
}

// The output and the gradients of q, k and v of one head.
struct HeadResults {
  Grid out, dq, dk, dv;
};

HeadResults head_results(const Grid& q, const Grid& k, const Grid& v, const Grid& dout, bool causal) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.columns));
  Grid e = product(scale, q, transposed(k));
  std::vector<double> sums;
  for (int64_t t = 0; t < e.rows; ++t) {
    double top = -std::numeric_limits<double>::infinity();
    for (int64_t s = 0; s < e.columns; ++s) {
      if (causal && s > t + e.columns - e.rows) e(t, s) = -std::numeric_limits<double>::infinity();
      top = std::max(top, e(t, s));
    }
    double sum = 0;
    for (int64_t s = 0; s < e.columns; ++s) sum += e(t, s) = std::exp(e(t, s) - top);
    sums.push_back(sum);
  }
  Grid out = product(1, e, v);
  Grid weights = e;
  for (int64_t t = 0; t < e.rows; ++t) {
    const double sum = sums[static_cast<std::size_t>(t)];
    for (int64_t j = 0; j < out.columns; ++j) out(t, j) /= sum;
    for (int64_t s = 0; s < e.columns; ++s) weights(t, s) /= sum;
  }
  Grid dscores = product(1, dout, transposed(v));
  for (int64_t t = 0; t < e.rows; ++t) {
    double dot = 0;
    for (int64_t s = 0; s < e.columns; ++s) dot += weights(t, s) * dscores(t, s);
    for (int64_t s = 0; s < e.columns; ++s) dscores(t, s) = weights(t, s) * (dscores(t, s) - dot);
  }
  return {out, product(scale, dscores, k), product(scale, transposed(dscores), q),
          product(1, transposed(weights), dout)};
}

using Results = std::vector<Tensor>;  // out, dq, dk, dv

Results twin(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& dout, const Sizes& n, bool causal) {
  Results r{dout.copy(), q.copy(), k.copy(), v.copy()};
  for (int64_t h = 0; h < n.heads; ++h) {
    const auto part = [&](const Tensor& x) { return head_of(x, h, n.head_size); };
    const HeadResults results = head_results(part(q), part(k), part(v), part(dout), causal);
    put_head(results.out, r[0], h);
    put_head(results.dq, r[1], h);
    put_head(results.dk, r[2], h);
    put_head(results.dv, r[3], h);
  }
  return r;
}

Results fused(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& dout, const AttentionOptions& options) {
  const ValueAndGradients r =
      differentiate([&](const Inputs& x) { return attention(x[0], x[1], x[2], options); }, {q, k, v}, dout);
  return {r.value, r.gradients[0], r.gradients[1], r.gradients[2]};
}

}  // namespace

// A weight that lies close to the middle between two numbers of bf16 may be rounded the other way: what is left of the
// difference to f32 comes from those few.
TEST_CASE("Attention in bf16 multiplies rounded numbers, and computes softmax with what is not", "[precision]") {
  for (const Sizes& n :
       {Sizes{1, 1, 1, 1}, {1, 2, 3, 5}, {2, 31, 31, 16}, {3, 32, 64, 7}, {2, 75, 77, 33}, {1, 100, 100, 64}}) {
    for (const bool causal : {false, true}) {
      INFO(n.heads << " heads of " << n.head_size << ", " << n.queries << " queries, " << n.keys << " keys, causal "
                   << causal);
      const Tensor q = random_tensor({1, n.queries, n.heads * n.head_size}, 1, -3, 3);
      const Tensor k = random_tensor({1, n.keys, n.heads * n.head_size}, 2);
      const Tensor v = random_tensor({1, n.keys, n.heads * n.head_size}, 3);
      const Tensor dout = random_tensor(q.shape(), 4);
      AttentionOptions options{.heads = n.heads, .causal = causal};
      const Results exact = fused(q, k, v, dout, options);
      options.precision = Precision::bf16;
      const Results low = fused(q, k, v, dout, options);
      const Results expected = twin(q, k, v, dout, n, causal);
      options.precision = Precision::bf16_emulated;
      const Results emulated = fused(q, k, v, dout, options);
      for (std::size_t i = 0; i < low.size(); ++i) {
        INFO("out, dq, dk, dv: number " << i);
        CHECK(same_bits(emulated[i], low[i]));
        if (n.queries == 1) {  // which is computed in f32
          CHECK(same_bits(low[i], exact[i]));
          continue;
        }
        CHECK(difference(low[i], expected[i], 1e-3) < 4e-4);
        CHECK(difference(low[i], exact[i], 1e-3) > 1e-3);
      }
    }
  }
}

TEST_CASE("In bf16, too, keys that are hidden count for nothing", "[precision]") {
  for (const int64_t keys : {1, 6, 7, 33}) {
    INFO(keys << " keys");
    const Tensor q = random_tensor({1, 40, 10}, 1);
    Tensor k = random_tensor({1, 40, 10}, 2);
    Tensor v = random_tensor({1, 40, 10}, 3);
    const Tensor dout = random_tensor(q.shape(), 4);
    const AttentionOptions options{
        .heads = 2, .key_lengths = Ids::from({1}, {static_cast<int32_t>(keys)}), .precision = Precision::bf16};
    const Results before = fused(q, k, v, dout, options);
    for (int64_t i = keys * 10; i < k.size(); ++i) k.mutable_data()[i] = v.mutable_data()[i] = 1e4F;
    const Results after = fused(q, k, v, dout, options);
    for (std::size_t i = 0; i < before.size(); ++i) CHECK(same_bits(before[i], after[i]));
  }
}

// Dropout, a cap and learned biases change weights and gradients before they are rounded, the plain form rounds them as
// it computes them; and the last block of queries does not see all keys.
TEST_CASE("All forms of attention in bf16 are near those in f32", "[precision]") {
  const int64_t time = 75;
  std::vector<int32_t> documents(static_cast<std::size_t>(time), 3);
  std::fill_n(documents.begin(), 21, 0);
  std::fill_n(documents.begin() + 21, 30, 1);
  const Ids segments = Ids::from({1, time}, documents);
  const std::vector<std::pair<const char*, AttentionOptions>> forms{
      {"window", {.heads = 4, .causal = true, .window = 9}},
      {"window on both sides", {.heads = 4, .window = 20}},
      {"ALiBi", {.heads = 4, .causal = true, .alibi = true}},
      {"cap", {.heads = 4, .causal = true, .softcap = 0.5}},
      {"relative bias", {.heads = 4, .causal = true, .relative_bias = random_tensor({8, 4}, 5)}},
      {"shared key heads", {.heads = 4, .kv_heads = 2, .causal = true}},
      {"shared key heads, padding", {.heads = 4, .kv_heads = 2, .key_lengths = Ids::from({1}, {33})}},
      {"fewer keys than queries", {.heads = 4, .keys = 40, .causal = true}},
      {"mask", {.heads = 4, .mask = random_tensor({time, time}, 6)}},
      {"segments", {.heads = 4, .segments = segments}},
      {"dropout", {.heads = 4, .causal = true, .dropout = 0.3}}};
  for (const auto& [name, form] : forms) {
    INFO(name);
    AttentionOptions options = form;
    const int64_t key_width = options.kv_heads > 0 ? 20 : 40;
    const Tensor q = random_tensor({1, time, 40}, 1, -3, 3);
    const Tensor k = random_tensor({1, time, key_width}, 2);
    const Tensor v = random_tensor({1, time, key_width}, 3);
    const Tensor dout = random_tensor(q.shape(), 4);
    const auto results = [&](Precision p) {
      options.precision = p;
      const auto f = [&](const Inputs& x) {
        AttentionOptions with = options;
        if (with.relative_bias) with.relative_bias = x[3];
        Random random(Seed{1}, 0);
        return attention(x[0], x[1], x[2], with, &random);
      };
      Inputs inputs{q, k, v};
      if (options.relative_bias) inputs.push_back(options.relative_bias);
      ValueAndGradients r = differentiate(f, inputs, dout);
      r.gradients.push_back(r.value);
      return r.gradients;
    };
    const std::vector<Tensor> exact = results(Precision::f32);
    const std::vector<Tensor> low = results(Precision::bf16);
    const std::vector<Tensor> emulated = results(Precision::bf16_emulated);
    for (std::size_t i = 0; i < exact.size(); ++i) {
      INFO("result " << i);
      CHECK(same_bits(low[i], emulated[i]));
      CHECK(difference(low[i], exact[i], 1e-3) < 3e-2);
      CHECK_FALSE(same_bits(low[i], exact[i]));
    }
  }
}

TEST_CASE("The precision of a layer reaches its attention", "[precision]") {
  const nn::AttentionConfig config{.width = 16, .heads = 2};
  const nn::SelfAttention self(config, {});
  const nn::CrossAttention cross(config, {});
  for (const auto& list : {nn::parameters(self), nn::parameters(cross)}) {
    randomize(list, 1);
    nn::set_precision(list, Precision::bf16_emulated);
  }
  const Tensor x = random_tensor({2, 9, 16}, 2);
  const Tensor memory = random_tensor({2, 7, 16}, 3);
  for (const Precision p : {Precision::f32, Precision::bf16_emulated}) {
    INFO(name_of(p));
    const bool same = p != Precision::f32;
    AttentionOptions options{.heads = 2, .causal = true, .precision = p};
    const Tensor by_parts = self.out(attention_packed(self.qkv(x), options));
    CHECK(same_bits(self(x, {.causal = true}, nn::evaluation()), by_parts) == same);
    options.causal = false;
    const Tensor packed = cross.key_value(memory);
    const Tensor z = attention(cross.query(x), slice(packed, -1, 0, 16), slice(packed, -1, 16, 32), options);
    CHECK(same_bits(cross(x, memory, {}, nn::evaluation()), cross.out(z)) == same);
  }
}

}  // namespace tape::test
