#include <tape/core/ops/attention_kernel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/small_gemm.h>

namespace tape::inline TAPE_ABI {

namespace {

constexpr real infinity = std::numeric_limits<real>::infinity();
constexpr int64_t block_rows = 32;  // queries whose scores are in memory at a time

// Keys begin … end-1.
struct KeyRange {
  int64_t begin = 0, end = 0;
};

// The second factor of products whose first has a row for each query of a block: packed, which costs as much as the
// products of a few queries, or as it is.
class KeyFactor {
 public:
  KeyFactor(Transpose transpose, ConstMatrix m, bool packs, real* room)
      : transpose_(transpose), plain_(m), packed_(packs ? pack(transpose, m, room) : Packed()) {}

  // C = alpha·A·F for the part of F that belongs to keys begin … begin+count-1: columns of a transposed F, rows of
  // another. `begin` is a multiple of `panel`.
  void multiply(real alpha, ConstMatrix a, int64_t begin, int64_t count, MutableMatrix c) const {
    if (!packed_.data) {
      gemm_serial(Transpose::no, transpose_, alpha, a, plain_.row_range(begin, count), 0, c);
    } else if (transpose_ == Transpose::yes) {
      small_gemm(Transpose::no, alpha, a, packed_.column_range(begin, count), 0, c);
    } else {
      small_gemm(Transpose::no, alpha, a, packed_.row_range(begin, count), 0, c);
    }
  }

 private:
  Transpose transpose_;
  ConstMatrix plain_;
  Packed packed_;
};

// A block of queries of one head and the scores it needs: keys that no query of the block sees are not computed, at
// either end.
class QueryBlock {
 public:
  QueryBlock(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first)
      : p_(problem), b_(b), h_(h), first_(first), rows_(std::min(block_rows, problem.queries - first)) {
    valid_ = p_.key_lengths ? std::clamp<int64_t>(p_.key_lengths.data()[b], 0, p_.keys) : p_.keys;
    keys_ = {seen_by(first).begin, seen_by(first + rows_ - 1).end};
    if (p_.segments) narrow_to_segments();
    keys_.begin -= keys_.begin % panel;  // packed keys come in panels, and dropout's random words in fours
    if (keys_.begin >= keys_.end) keys_ = {};
  }

  int64_t rows() const { return rows_; }
  int64_t keys() const { return keys_.end - keys_.begin; }
  int64_t first() const { return first_; }
  // The block's queries, and the keys it needs, of a matrix with a row for each.
  template <class T>
  Matrix<T> queries_of(Matrix<T> m) const {
    return m.row_range(first_, rows_);
  }
  MutableMatrix keys_of(MutableMatrix m) const { return m.row_range(keys_.begin, keys()); }
  // c = alpha·a·f, with the rows or columns of f that the block needs.
  void multiply(real alpha, ConstMatrix a, const KeyFactor& f, MutableMatrix c) const {
    f.multiply(alpha, a, keys_.begin, keys(), c);
  }

  // scores (rows, keys) = cap(scale·Q·Kᵀ) + bias + mask, -infinity where a key is hidden from a query. `slopes`, of the
  // same size, becomes cap' there, if given.
  void scores(ConstMatrix q, const KeyFactor& k_transposed, real* scores, real* slopes = nullptr) const {
    multiply(p_.scale, queries_of(q), k_transposed, {scores, rows_, keys()});
    if (p_.softcap > 0) cap(scores, slopes);
    for (int64_t i = 0; i < rows_; ++i) {
      real* row = scores + i * keys();
      const KeyRange seen = seen_here(i);
      if (p_.bias.values) {
        const real* bias = p_.bias.values.as<real>() + h_ * distances();
        const int64_t nearest = distance_of_first_key(i);
#pragma omp simd
        for (int64_t j = seen.begin; j < seen.end; ++j) row[j] += bias[nearest + j];
      }
      if (p_.mask) {
        const int64_t mask_row = (p_.mask.rank() == 3 ? b_ * p_.queries : 0) + first_ + i;
        const real* mask = p_.mask.data() + mask_row * p_.keys + keys_.begin;
#pragma omp simd
        for (int64_t j = 0; j < keys(); ++j) row[j] += mask[j];
      }
      if (p_.segments) hide_other_segments(i, row);
      std::fill(row, row + seen.begin, -infinity);
      std::fill(row + seen.end, row + keys(), -infinity);
    }
  }

  // Adds the gradients of the scores of row i to those of the biases by distance.
  void add_to_bias(int64_t i, const real* dscores, real* dbias) const {
    const KeyRange seen = seen_here(i);
    const int64_t nearest = distance_of_first_key(i);
#pragma omp simd
    for (int64_t j = seen.begin; j < seen.end; ++j) dbias[nearest + j] += dscores[j];
  }

  // Multiplies a row of weights, or of their gradients, by its dropout factors: 0 or 1/(1-p).
  void drop(int64_t i, real* row) const {
    const auto drop_below = static_cast<uint64_t>(std::llround(p_.dropout * 0x1p32));
    const auto kept = static_cast<real>(1 / (1 - p_.dropout));
    const int64_t blocks_per_row = (p_.keys + 3) / 4;
    const int64_t first_block = ((b_ * p_.heads + h_) * p_.queries + first_ + i) * blocks_per_row + keys_.begin / 4;
    for (int64_t j = 0; j < keys(); j += 4) {
      const std::array<uint32_t, 4> words = p_.draw.words(static_cast<uint64_t>(first_block + j / 4));
      for (int64_t n = 0; n < std::min<int64_t>(4, keys() - j); ++n) {
        row[j + n] *= words[static_cast<std::size_t>(n)] >= drop_below ? kept : real{0};
      }
    }
  }

 private:
  // Where query t stands among the keys.
  int64_t position(int64_t t) const {
    return t + p_.keys - p_.queries;
  }
  int64_t distances() const {
    return 2 * p_.keys - 1;
  }
  // Entry of the biases by distance that belongs to row i and the first key of the block.
  int64_t distance_of_first_key(int64_t i) const {
    return keys_.begin - position(first_ + i) + p_.keys - 1;
  }

  // The keys that query t sees, segments and mask aside.
  KeyRange seen_by(int64_t t) const {
    KeyRange seen{0, valid_};
    if (p_.causal) seen.end = std::clamp<int64_t>(position(t) + 1, 0, valid_);
    if (p_.window > 0) {
      if (!p_.causal) seen.end = std::min(valid_, position(t) + p_.window);
      seen.begin = std::clamp<int64_t>(position(t) - p_.window + 1, 0, seen.end);
    }
    return seen;
  }
  // The same for row i, counted from the first key of the block.
  KeyRange seen_here(int64_t i) const {
    const KeyRange seen = seen_by(first_ + i);
    return {std::clamp<int64_t>(seen.begin - keys_.begin, 0, keys()),
            std::clamp<int64_t>(seen.end - keys_.begin, 0, keys())};
  }

  const int32_t* query_segments() const {
    return p_.segments.data() + b_ * p_.queries + first_;
  }
  const int32_t* key_segments() const {
    return p_.key_segments.data() + b_ * p_.keys;
  }

  // Leaves out keys before and after those of the block's segments.
  void narrow_to_segments() {
    int32_t lowest = std::numeric_limits<int32_t>::max();
    int32_t highest = -1;
    for (int64_t i = 0; i < rows_; ++i) {
      const int32_t segment = query_segments()[i];
      if (segment >= 0) lowest = std::min(lowest, segment);
      highest = std::max(highest, segment);
    }
    const auto apart = [&](int64_t key) { return key_segments()[key] < lowest || key_segments()[key] > highest; };
    while (keys_.begin < keys_.end && apart(keys_.begin)) ++keys_.begin;
    while (keys_.begin < keys_.end && apart(keys_.end - 1)) --keys_.end;
  }

  void hide_other_segments(int64_t i, real* row) const {
    const int32_t own = query_segments()[i];
    const int32_t* segment = key_segments() + keys_.begin;
#pragma omp simd
    for (int64_t j = 0; j < keys(); ++j) row[j] = own >= 0 && segment[j] == own ? row[j] : -infinity;
  }

  // s → c·tanh(s/c), with the slope 1 - tanh².
  void cap(real* scores, real* slopes) const {
    const int64_t count = rows_ * keys();
    const real c = p_.softcap;
    if (slopes) {
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) {
        const real t = tanh_(scores[j] / c);
        scores[j] = c * t;
        slopes[j] = 1 - t * t;
      }
    } else {
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) scores[j] = c * tanh_(scores[j] / c);
    }
  }

  const AttentionProblem& p_;
  int64_t b_, h_, first_, rows_;
  int64_t valid_ = 0;  // keys that are not padding
  KeyRange keys_;
};

void zero(MutableMatrix m) {
  for (int64_t i = 0; i < m.rows; ++i) std::fill_n(m.data + i * m.ld, m.columns, real{0});
}

// One head's matrices in backward, and room for a block of scores in each of the last three.
struct HeadBackward {
  ConstMatrix q, out, dout;
  const KeyFactor &k, &k_transposed, &v_transposed;
  MutableMatrix dq, dk, dv;
  const real* lse;     // (T)
  real* dbias;         // (2S - 1) by distance, or null
  real* packed_block;  // room for rows of a block of queries
  real* weights;
  real* dscores;
  real* slopes;  // null without a cap
};

// Adds one block of queries to dK, dV and the biases, and sets its rows of dQ.
void block_backward(const AttentionProblem& p, const HeadBackward& m, const QueryBlock& block) {
  const int64_t keys = block.keys();
  const int64_t rows = block.rows();
  if (keys == 0) {
    zero(block.queries_of(m.dq));
    return;
  }
  block.scores(m.q, m.k_transposed, m.weights, m.slopes);
  block.multiply(1, block.queries_of(m.dout), m.v_transposed, {m.dscores, rows, keys});
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t t = block.first() + i;
    real* weight = m.weights + i * keys;
    real* ds = m.dscores + i * keys;
    exp_row(weight, keys, m.lse[t], weight);
    if (p.dropout > 0) block.drop(i, ds);
    const real dot = row_dot(m.dout.data + t * m.dout.ld, m.out.data + t * m.out.ld, p.head_size);
#pragma omp simd
    for (int64_t j = 0; j < keys; ++j) ds[j] = weight[j] * (ds[j] - dot);
    if (m.dbias) block.add_to_bias(i, ds, m.dbias);
    if (m.slopes) {
      const real* slope = m.slopes + i * keys;
#pragma omp simd
      for (int64_t j = 0; j < keys; ++j) ds[j] *= slope[j];
    }
    if (p.dropout > 0) block.drop(i, weight);
  }
  const ConstMatrix weight_block(m.weights, rows, keys);
  const ConstMatrix ds_block(m.dscores, rows, keys);
  const auto packed = [&](ConstMatrix of) { return pack(Transpose::no, block.queries_of(of), m.packed_block); };
  small_gemm(Transpose::yes, 1, weight_block, packed(m.dout), 1, block.keys_of(m.dv));
  block.multiply(p.scale, ds_block, m.k, block.queries_of(m.dq));
  small_gemm(Transpose::yes, p.scale, ds_block, packed(m.q), 1, block.keys_of(m.dk));
}

// The gradients of one head's biases, from all distances to their buckets.
void sum_buckets(const AttentionProblem& p, const real* dbias, real* out) {
  std::fill_n(out, p.bias.bucket_count, real{0});
  const auto* bucket = p.bias.buckets.as<int32_t>();
  for (int64_t i = 0; i < 2 * p.keys - 1; ++i) out[bucket[i]] += dbias[i];
}

}  // namespace

// S = cap(scale·Q·Kᵀ) + bias + mask    lse_i = log Σ_j e^S_ij    P = e^(S - lse)    O = drop(P)·V
void attention_forward(const AttentionProblem& p, HeadsView<const real> q, HeadsView<const real> k,
                       HeadsView<const real> v, HeadsView<real> out, real* lse, real* tops) {
  const bool packs = p.queries >= 8;
  const int64_t k_size = packs ? packed_size(p.head_size, p.keys) : 0;
  const int64_t v_size = packs ? packed_size(p.keys, p.head_size) : 0;
  const int64_t weights_size = std::min(block_rows, p.queries) * p.room;
  parallel_tasks(p.batch * p.heads, k_size + v_size + weights_size, [&](int64_t task, real* scratch) {
    const int64_t b = task / p.heads;
    const int64_t h = task % p.heads;
    const int64_t g = h / p.queries_per_key_head();
    const ConstMatrix q_head = q.head(b, h, p.queries, p.head_size);
    const KeyFactor k_transposed(Transpose::yes, k.head(b, g, p.keys, p.head_size), packs, scratch);
    const KeyFactor v_head(Transpose::no, v.head(b, g, p.keys, p.head_size), packs, scratch + k_size);
    real* const weights = scratch + k_size + v_size;
    const MutableMatrix out_head = out.head(b, h, p.queries, p.head_size);
    for (int64_t first = 0; first < p.queries; first += block_rows) {
      const QueryBlock block(p, b, h, first);
      const int64_t keys = block.keys();
      block.scores(q_head, k_transposed, weights);
      for (int64_t i = 0; i < block.rows(); ++i) {
        real* row = weights + i * keys;
        const real top = row_max(row, keys);
        real& row_lse = lse[task * p.queries + first + i];
        if (tops) tops[task * p.queries + first + i] = top;
        if (top == -infinity && !std::any_of(row, row + keys, [](real s) { return std::isnan(s); })) {
          std::fill_n(row, keys, real{0});  // no key is seen
          row_lse = infinity;
          continue;
        }
        const real sum = exp_row(row, keys, top, row);
        if (tops && std::isnan(sum)) tops[task * p.queries + first + i] = sum;
        scale_row(row, keys, 1 / sum);
        row_lse = top + std::log(sum);
        if (p.dropout > 0) block.drop(i, row);
      }
      block.multiply(1, {weights, block.rows(), keys}, v_head, block.queries_of(out_head));
    }
  });
}

// With P as above, once more from S and lse, and m the dropout factors:
//   dV = (P⊙m)ᵀ·dO    dP = (dO·Vᵀ)⊙m    dS = P⊙(dP - Σ_j dO_j·O_j)    dbias = dS, summed by distance
//   dZ = dS⊙cap'(scale·Q·Kᵀ)    dQ = scale·dZ·K    dK = scale·dZᵀ·Q
// One task is one key head with all its queries, so that dK and dV have one order of summation.
void attention_backward(const AttentionProblem& p, HeadsView<const real> q, HeadsView<const real> k,
                        HeadsView<const real> v, HeadsView<const real> out, const real* lse, HeadsView<const real> dout,
                        const AttentionGradients& gradients) {
  const int64_t block_size = block_rows * p.keys;
  const int64_t transposed_size = packed_size(p.head_size, p.keys);
  const int64_t k_size = packed_size(p.keys, p.head_size);
  // In this order: packed Kᵀ, Vᵀ and K, rows of a block, two or three blocks of scores, gradients by distance.
  const int64_t blocks_at = 2 * transposed_size + k_size + packed_size(block_rows, p.head_size);
  const int64_t dbias_at = blocks_at + (p.softcap > 0 ? 3 : 2) * block_size;
  const int64_t scratch_size = dbias_at + (gradients.bias ? 2 * p.keys : 0);
  parallel_tasks(p.batch * p.kv_heads, scratch_size, [&](int64_t task, real* scratch) {
    const int64_t b = task / p.kv_heads;
    const int64_t g = task % p.kv_heads;
    const MutableMatrix dk_head = gradients.k.head(b, g, p.keys, p.head_size);
    const MutableMatrix dv_head = gradients.v.head(b, g, p.keys, p.head_size);
    zero(dk_head);
    zero(dv_head);
    const ConstMatrix k_head = k.head(b, g, p.keys, p.head_size);
    const KeyFactor k_transposed(Transpose::yes, k_head, true, scratch);
    const KeyFactor v_transposed(Transpose::yes, v.head(b, g, p.keys, p.head_size), true, scratch + transposed_size);
    const KeyFactor k_plain(Transpose::no, k_head, true, scratch + 2 * transposed_size);
    for (int64_t h = g * p.queries_per_key_head(); h < (g + 1) * p.queries_per_key_head(); ++h) {
      const int64_t head = b * p.heads + h;
      const HeadBackward m{.q = q.head(b, h, p.queries, p.head_size),
                           .out = out.head(b, h, p.queries, p.head_size),
                           .dout = dout.head(b, h, p.queries, p.head_size),
                           .k = k_plain,
                           .k_transposed = k_transposed,
                           .v_transposed = v_transposed,
                           .dq = gradients.q.head(b, h, p.queries, p.head_size),
                           .dk = dk_head,
                           .dv = dv_head,
                           .lse = lse + head * p.queries,
                           .dbias = gradients.bias ? scratch + dbias_at : nullptr,
                           .packed_block = scratch + 2 * transposed_size + k_size,
                           .weights = scratch + blocks_at,
                           .dscores = scratch + blocks_at + block_size,
                           .slopes = p.softcap > 0 ? scratch + blocks_at + 2 * block_size : nullptr};
      if (m.dbias) std::fill_n(m.dbias, 2 * p.keys, real{0});
      for (int64_t first = 0; first < p.queries; first += block_rows) {
        block_backward(p, m, QueryBlock(p, b, h, first));
      }
      if (m.dbias) sum_buckets(p, m.dbias, gradients.bias + head * p.bias.bucket_count);
    }
  });
}

}  // namespace tape::inline TAPE_ABI
