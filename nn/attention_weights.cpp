#include <tape/nn/attention_weights.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#include <tape/core/ops/attention_bias.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

constexpr double hidden = -std::numeric_limits<double>::infinity();

struct Sizes {
  int64_t batch, heads, kv_heads, queries, keys, head_size;
  int64_t key_rows;  // of which the first `keys` count
};

Sizes sizes_of(const Tensor& q, const Tensor& k, const AttentionOptions& o, Where where) {
  const auto require = [&](bool holds, const std::string& rule) {
    if (!holds) throw Error(str("attention_weights: q ", q.shape(), " and k ", k.shape(), " ", rule), where);
  };
  require(q.rank() == 3 && k.rank() == 3 && q.shape()[0] == k.shape()[0],
          "must be (batch, length, width) of one batch");
  const int64_t kv_heads = o.kv_heads > 0 ? o.kv_heads : o.heads;
  require(
      o.heads > 0 && o.heads % kv_heads == 0 && q.last() % o.heads == 0 && q.last() * kv_heads == k.last() * o.heads,
      str("must be of ", o.heads, " and ", kv_heads, " heads of one size, the first number a multiple of the second"));
  require(o.keys >= 0 && o.keys <= k.shape()[1], str("need at least ", o.keys, " keys"));
  const Sizes n{q.shape()[0],       o.heads,     kv_heads, q.shape()[1], o.keys > 0 ? o.keys : k.shape()[1],
                q.last() / o.heads, k.shape()[1]};
  const auto fits = [&](const auto& optional, const Shape& shape, const char* name) {
    require(!optional || optional.shape() == shape, str("need ", name, " ", shape));
  };
  require(!o.mask || o.mask.shape() == Shape{n.queries, n.keys} || o.mask.shape() == Shape{n.batch, n.queries, n.keys},
          str("need a mask ", Shape{n.queries, n.keys}, " or ", Shape{n.batch, n.queries, n.keys}));
  fits(o.key_lengths, {n.batch}, "key_lengths");
  fits(o.segments, {n.batch, n.queries}, "segments");
  fits(o.key_segments, {n.batch, n.keys}, "key_segments");
  require(!o.segments || o.key_segments || n.queries == n.keys, "need key_segments beside segments");
  require(!o.relative_bias || (o.relative_bias.rank() == 2 && o.relative_bias.shape()[1] == n.heads),
          str("need a relative_bias (buckets, ", n.heads, ")"));
  return n;
}

// Does query t of batch element b see key s? Query t stands at position t + S - T.
bool sees(const AttentionOptions& o, const Sizes& n, int64_t b, int64_t t, int64_t s) {
  const int64_t distance = t + n.keys - n.queries - s;
  if (o.causal && distance < 0) return false;
  if (o.window > 0 && std::abs(distance) >= o.window) return false;
  if (o.key_lengths && s >= o.key_lengths.data()[b]) return false;
  if (!o.segments) return true;
  const int32_t own = o.segments.data()[b * n.queries + t];
  const Ids& of_keys = o.key_segments ? o.key_segments : o.segments;
  return own >= 0 && of_keys.data()[b * n.keys + s] == own;
}

// What is added to the score of query t and key s for their distance and by the mask.
double bias(const AttentionOptions& o, const Sizes& n, int64_t b, int64_t h, int64_t t, int64_t s) {
  const int64_t position = s - (t + n.keys - n.queries);
  double sum = 0;
  if (o.alibi) sum -= alibi_slope(h, n.heads) * static_cast<double>(std::abs(position));
  if (o.relative_bias) {
    const int64_t bucket = relative_bucket(position, !o.causal, o.relative_bias.shape()[0], o.max_distance);
    sum += static_cast<double>(o.relative_bias.data()[bucket * n.heads + h]);
  }
  if (o.mask) {
    const int64_t row = (o.mask.rank() == 3 ? b * n.queries : 0) + t;
    sum += static_cast<double>(o.mask.data()[row * n.keys + s]);
  }
  return sum;
}

double dot(const real* a, const real* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// Scores become probabilities; all hidden become zeros.
void softmax_in_place(std::vector<double>& row) {
  double largest = hidden;
  for (const double score : row) largest = std::max(largest, score);
  double sum = 0;
  for (double& score : row) sum += score = largest == hidden ? 0 : std::exp(score - largest);
  if (sum > 0) {
    for (double& p : row) p /= sum;
  }
}

}  // namespace

Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& o, Where where) {
  const Sizes n = sizes_of(q, k, o, where);
  const double factor = o.scale.value_or(1 / std::sqrt(static_cast<double>(n.head_size)));
  Tensor weights = Tensor::uninitialized({n.batch, n.heads, n.queries, n.keys});
  real* out = weights.mutable_data();
  std::vector<double> row(static_cast<std::size_t>(n.keys));
  for (int64_t b = 0; b < n.batch; ++b) {
    for (int64_t h = 0; h < n.heads; ++h) {
      const int64_t g = h * n.kv_heads / n.heads;
      for (int64_t t = 0; t < n.queries; ++t) {
        const real* query = q.data() + (b * n.queries + t) * q.last() + h * n.head_size;
        for (int64_t s = 0; s < n.keys; ++s) {
          double& score = row[static_cast<std::size_t>(s)];
          score = hidden;
          if (!sees(o, n, b, t, s)) continue;
          score = factor * dot(query, k.data() + (b * n.key_rows + s) * k.last() + g * n.head_size, n.head_size);
          if (o.softcap > 0) score = o.softcap * std::tanh(score / o.softcap);
          score += bias(o, n, b, h, t, s);
        }
        softmax_in_place(row);
        for (const double p : row) *out++ = static_cast<real>(p);
      }
    }
  }
  return weights;
}

Tensor row_entropy(const Tensor& probabilities, Where where) {
  if (probabilities.rank() < 1) throw Error("row_entropy: a single number has no rows", where);
  Tensor result = Tensor::zeros(probabilities.shape().without_last());
  const int64_t columns = probabilities.last();
  for (int64_t r = 0; r < result.size(); ++r) {
    double sum = 0;
    for (int64_t c = 0; c < columns; ++c) {
      const auto p = static_cast<double>(probabilities.data()[r * columns + c]);
      if (p > 0) sum -= p * std::log(p);
    }
    result.mutable_data()[r] = static_cast<real>(sum);
  }
  return result;
}

}  // namespace tape::inline TAPE_ABI::nn
