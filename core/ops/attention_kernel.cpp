#include <tape/core/ops/attention_kernel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI {

namespace {

constexpr real infinity = std::numeric_limits<real>::infinity();
constexpr int64_t block_rows = 64;  // queries whose scores are in memory at a time

// A block of queries of one head and the scores it needs: keys that no query of the block sees are not computed.
class QueryBlock {
 public:
  QueryBlock(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first)
      : p_(problem), b_(b), h_(h), first_(first), rows_(std::min(block_rows, problem.queries - first)) {
    valid_ = p_.key_lengths ? std::clamp<int64_t>(p_.key_lengths.data()[b], 0, p_.keys) : p_.keys;
    keys_ = seen_by(first + rows_ - 1);
  }

  int64_t rows() const { return rows_; }
  int64_t keys() const { return keys_; }
  int64_t first() const { return first_; }

  // scores (rows, keys) = scale·Q·Kᵀ + mask, -infinity where a key is hidden from a query.
  void scores(ConstMatrix q, ConstMatrix k, real* scores) const {
    gemm_serial(Transpose::no, Transpose::yes, p_.scale, q.row_range(first_, rows_), k.row_range(0, keys_), 0,
                {scores, rows_, keys_});
    for (int64_t i = 0; i < rows_; ++i) {
      real* row = scores + i * keys_;
      if (p_.mask) {
        const int64_t mask_row = (p_.mask.rank() == 3 ? b_ * p_.queries : 0) + first_ + i;
        const real* mask = p_.mask.data() + mask_row * p_.keys;
#pragma omp simd
        for (int64_t j = 0; j < keys_; ++j) row[j] += mask[j];
      }
      std::fill(row + seen_by(first_ + i), row + keys_, -infinity);
    }
  }

  // Multiplies a row of weights, or of their gradients, by its dropout factors: 0 or 1/(1-p).
  void drop(int64_t i, real* row) const {
    const auto drop_below = static_cast<uint64_t>(std::llround(p_.dropout * 0x1p32));
    const auto kept = static_cast<real>(1 / (1 - p_.dropout));
    const int64_t blocks_per_row = (p_.keys + 3) / 4;
    const int64_t first_block = ((b_ * p_.heads + h_) * p_.queries + first_ + i) * blocks_per_row;
    for (int64_t j = 0; j < keys_; j += 4) {
      const std::array<uint32_t, 4> words = p_.draw.words(static_cast<uint64_t>(first_block + j / 4));
      for (int64_t n = 0; n < std::min<int64_t>(4, keys_ - j); ++n) {
        row[j + n] *= words[static_cast<std::size_t>(n)] >= drop_below ? kept : real{0};
      }
    }
  }

 private:
  // Query t sees keys 0 … seen_by(t)-1.
  int64_t seen_by(int64_t t) const {
    return p_.causal ? std::clamp<int64_t>(t + p_.keys - p_.queries + 1, 0, valid_) : valid_;
  }

  const AttentionProblem& p_;
  int64_t b_, h_, first_, rows_;
  int64_t valid_ = 0;
  int64_t keys_ = 0;
};

void zero(MutableMatrix m) {
  for (int64_t i = 0; i < m.rows; ++i) std::fill_n(m.data + i * m.ld, m.columns, real{0});
}

// out += A·B or out = A·B, where a block without keys gives zeros.
void product(Transpose ta, real alpha, ConstMatrix a, ConstMatrix b, real beta, MutableMatrix out) {
  if (b.rows > 0) {
    gemm_serial(ta, Transpose::no, alpha, a, b, beta, out);
  } else if (beta == 0) {
    zero(out);
  }
}

}  // namespace

// S = scale·Q·Kᵀ + mask    lse_i = log Σ_j e^S_ij    P = e^(S - lse)    O = drop(P)·V
void attention_forward(const AttentionProblem& p, HeadsView<const real> q, HeadsView<const real> k,
                       HeadsView<const real> v, HeadsView<real> out, real* lse) {
  parallel_tasks(p.batch * p.heads, block_rows * p.keys, [&](int64_t task, real* weights) {
    const int64_t b = task / p.heads;
    const int64_t h = task % p.heads;
    const ConstMatrix q_head = q.head(b, h, p.queries, p.head_size);
    const ConstMatrix k_head = k.head(b, h, p.keys, p.head_size);
    const ConstMatrix v_head = v.head(b, h, p.keys, p.head_size);
    const MutableMatrix out_head = out.head(b, h, p.queries, p.head_size);
    for (int64_t first = 0; first < p.queries; first += block_rows) {
      const QueryBlock block(p, b, h, first);
      const int64_t keys = block.keys();
      block.scores(q_head, k_head, weights);
      for (int64_t i = 0; i < block.rows(); ++i) {
        real* row = weights + i * keys;
        const real top = row_max(row, keys);
        real& row_lse = lse[task * p.queries + first + i];
        if (top == -infinity && !std::any_of(row, row + keys, [](real s) { return std::isnan(s); })) {
          std::fill_n(row, keys, real{0});  // no key is seen
          row_lse = infinity;
          continue;
        }
        const real sum = exp_row(row, keys, top, row);
        scale_row(row, keys, 1 / sum);
        row_lse = top + std::log(sum);
        if (p.dropout > 0) block.drop(i, row);
      }
      product(Transpose::no, 1, {weights, block.rows(), keys}, v_head.row_range(0, keys), 0,
              out_head.row_range(first, block.rows()));
    }
  });
}

// With P as above, once more from S and lse, and m the dropout factors:
//   dV = (P⊙m)ᵀ·dO    dP = (dO·Vᵀ)⊙m    dS = P⊙(dP - Σ_j dO_j·O_j)    dQ = scale·dS·K    dK = scale·dSᵀ·Q
void attention_backward(const AttentionProblem& p, HeadsView<const real> q, HeadsView<const real> k,
                        HeadsView<const real> v, HeadsView<const real> out, const real* lse, HeadsView<const real> dout,
                        HeadsView<real> dq, HeadsView<real> dk, HeadsView<real> dv) {
  parallel_tasks(p.batch * p.heads, 2 * block_rows * p.keys, [&](int64_t task, real* scratch) {
    const int64_t b = task / p.heads;
    const int64_t h = task % p.heads;
    const ConstMatrix q_head = q.head(b, h, p.queries, p.head_size);
    const ConstMatrix k_head = k.head(b, h, p.keys, p.head_size);
    const ConstMatrix v_head = v.head(b, h, p.keys, p.head_size);
    const ConstMatrix out_head = out.head(b, h, p.queries, p.head_size);
    const ConstMatrix dout_head = dout.head(b, h, p.queries, p.head_size);
    const MutableMatrix dq_head = dq.head(b, h, p.queries, p.head_size);
    const MutableMatrix dk_head = dk.head(b, h, p.keys, p.head_size);
    const MutableMatrix dv_head = dv.head(b, h, p.keys, p.head_size);
    zero(dk_head);
    zero(dv_head);
    for (int64_t first = 0; first < p.queries; first += block_rows) {
      const QueryBlock block(p, b, h, first);
      const int64_t keys = block.keys();
      const int64_t rows = block.rows();
      if (keys == 0) {
        zero(dq_head.row_range(first, rows));
        continue;
      }
      real* weights = scratch;
      real* dscores = scratch + block_rows * p.keys;
      block.scores(q_head, k_head, weights);
      gemm_serial(Transpose::no, Transpose::yes, 1, dout_head.row_range(first, rows), v_head.row_range(0, keys), 0,
                  {dscores, rows, keys});
      for (int64_t i = 0; i < rows; ++i) {
        real* weight = weights + i * keys;
        real* ds = dscores + i * keys;
        exp_row(weight, keys, lse[task * p.queries + first + i], weight);
        if (p.dropout > 0) block.drop(i, ds);
        const real dot = row_dot(dout_head.data + (first + i) * dout_head.ld, out_head.data + (first + i) * out_head.ld,
                                 p.head_size);
#pragma omp simd
        for (int64_t j = 0; j < keys; ++j) ds[j] = weight[j] * (ds[j] - dot);
        if (p.dropout > 0) block.drop(i, weight);
      }
      const ConstMatrix weight_block(weights, rows, keys);
      const ConstMatrix ds_block(dscores, rows, keys);
      product(Transpose::yes, 1, weight_block, dout_head.row_range(first, rows), 1, dv_head.row_range(0, keys));
      product(Transpose::no, p.scale, ds_block, k_head.row_range(0, keys), 0, dq_head.row_range(first, rows));
      product(Transpose::yes, p.scale, ds_block, q_head.row_range(first, rows), 1, dk_head.row_range(0, keys));
    }
  });
}

}  // namespace tape::inline TAPE_ABI
