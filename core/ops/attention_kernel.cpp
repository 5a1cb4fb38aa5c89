#include <tape/core/ops/attention_kernel.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <tape/core/ops/attention_block.h>
#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/small_gemm.h>

namespace tape::inline TAPE_ABI {

namespace {

using Block = QueryBlock<panel>;
using QueryNumbers = Block::Numbers;
using OneQuery = QueryBlock<1>;

// The largest score of each query of a block.
QueryNumbers tops_of(const Block& block, const real* scores) {
  const auto larger = [](Vector a, Vector b) { return a > b ? a : b; };
  Vector left = Vector{} + unseen_score;
  Vector right = left;
  for (int64_t j = 0; j < block.keys(); ++j) {
    left = larger(load(scores + j * panel), left);
    right = larger(load(scores + j * panel + lanes), right);
  }
  QueryNumbers tops;
  store(tops.data(), left);
  store(tops.data() + lanes, right);
  return tops;
}
OneQuery::Numbers tops_of(const OneQuery& block, const real* scores) {
  return {row_max(scores, block.keys())};
}

// Scores become e^(score - shift); returns their sums.
QueryNumbers exponentials(const Block& block, real* scores, const QueryNumbers& shift) {
  QueryNumbers sums{};
  for (int64_t j = 0; j < block.keys(); ++j) {
    real* const row = scores + j * panel;
#pragma omp simd
    for (int64_t i = 0; i < panel; ++i) {
      const auto lane = static_cast<std::size_t>(i);
      row[i] = exp_(row[i] - shift[lane]);
      sums[lane] += row[i];
    }
  }
  return sums;
}
OneQuery::Numbers exponentials(const OneQuery& block, real* scores, const OneQuery::Numbers& shift) {
  return {exp_row(scores, block.keys(), shift[0], scores)};
}

using TwoKeys = std::array<real, 2 * panel>;  // a number for each query of a block and each of two keys

TwoKeys twice(const QueryNumbers& x) {
  TwoKeys both;
  std::copy(x.begin(), x.end(), both.begin());
  std::copy(x.begin(), x.end(), both.begin() + panel);
  return both;
}

// Pairs of two keys for each query.
void round_across(const TwoKeys& x, bf16_pair* to) {
  for (int64_t i = 0; i < panel; i += lanes) store(to + i, pairs_across(x.data() + i, x.data() + panel + i));
}

// The same exponentials, rounded at once to pairs of keys.
QueryNumbers rounded_exponentials(const Block& block, real* scores, const QueryNumbers& shift, bf16_pair* to) {
  const TwoKeys shifts = twice(shift);
  TwoKeys sums{};
  if (block.keys() % 2 != 0) std::fill_n(scores + block.keys() * panel, panel, unseen_score);
  for (int64_t j = 0; j < block.keys(); j += 2, to += panel) {
    const real* const row = scores + j * panel;
    TwoKeys e;
#pragma omp simd
    for (std::size_t i = 0; i < e.size(); ++i) {
      e[i] = exp_(row[i] - shifts[i]);
      sums[i] += e[i];
    }
    round_across(e, to);
  }
  QueryNumbers total;
  for (std::size_t i = 0; i < total.size(); ++i) total[i] = sums[i] + sums[i + panel];
  return total;
}

void zero(MutableMatrix m) {
  for (int64_t i = 0; i < m.rows; ++i) std::fill_n(m.data + i * m.ld, m.columns, real{0});
}

// Room in scratch memory, handed out piece by piece. A pair takes no more of it than a real.
class Room {
 public:
  explicit Room(real* memory) : next_(memory) {}
  template <class E = real>
  E* take(int64_t size) {
    static_assert(sizeof(E) <= sizeof(real));
    return reinterpret_cast<E*>(std::exchange(next_, next_ + size));
  }

 private:
  real* next_;
};

// One query head's matrices in forward.
struct HeadForward {
  ConstMatrix q, k, v;
  MutableMatrix out;
  real *shift, *factor, *tops;  // (T); tops may be null
};

// Of a block, in products of E's: scale·K·Qᵀ, and W·V with W = e^(score - shift), whose sums it returns. scores has
// room for one key more.
template <class E>
struct Products {
  Left<E> k;
  Panels<E> v;
  E *packed_q, *left_weights;

  void scores(const AttentionProblem& p, const HeadForward& m, const Block& block, real* to) const {
    small_gemm(p.scale, block.keys_of(k), pack(Transpose::yes, block.queries_of(m.q), packed_q), 0,
               {to, block.keys(), panel});
  }
  QueryNumbers out(const AttentionProblem& p, const HeadForward& m, const Block& block, real* scores,
                   const QueryNumbers& shift) const {
    const auto multiply = [&](const Left<E>& weights) {
      small_gemm(1, weights, block.keys_of(v), 0, block.queries_of(m.out));
    };
    if constexpr (numbers_in<E> == 2) {
      if (p.dropout == 0) {
        const QueryNumbers sums = rounded_exponentials(block, scores, shift, left_weights);
        multiply({left_weights, 1, panel});
        return sums;
      }
    }
    const QueryNumbers sums = exponentials(block, scores, shift);
    if (p.dropout > 0) block.drop(scores);
    multiply(left(Transpose::yes, block.scores_of(scores), left_weights));
    return sums;
  }
};
// Of a single query, in f32 always: packing and rounding would cost as much as the product.
struct ProductsOfOne {
  void scores(const AttentionProblem& p, const HeadForward& m, const OneQuery& block, real* to) const {
    gemm_serial(Transpose::no, Transpose::yes, p.scale, block.queries_of(m.q), block.keys_of(m.k), 0,
                {to, 1, block.keys()});
  }
  OneQuery::Numbers out(const AttentionProblem& p, const HeadForward& m, const OneQuery& block, real* scores,
                        const OneQuery::Numbers& shift) const {
    const OneQuery::Numbers sums = exponentials(block, scores, shift);
    if (p.dropout > 0) block.drop(scores);
    gemm_serial(Transpose::no, Transpose::no, 1, {scores, 1, block.keys()}, block.keys_of(m.v), 0,
                block.queries_of(m.out));
    return sums;
  }
};

template <class AnyBlock, class AnyProducts>
void block_forward(const AttentionProblem& p, const HeadForward& m, const AnyBlock& block, const AnyProducts& products,
                   real* scores) {
  products.scores(p, m, block, scores);
  block.finish_scores(scores);
  const auto largest = tops_of(block, scores);
  auto shift = largest;
  for (real& x : shift) x = x == unseen_score ? 0 : x;  // no key is seen, or its score is NaN
  const auto sums = products.out(p, m, block, scores, shift);
  const MutableMatrix out = block.queries_of(m.out);
  for (int64_t i = 0; i < block.rows(); ++i) {
    const auto lane = static_cast<std::size_t>(i);
    const real factor = sums[lane] == 0 ? 0 : 1 / sums[lane];
    const int64_t query = block.first() + i;
    m.shift[query] = shift[lane];
    m.factor[query] = factor;
    if (m.tops) m.tops[query] = std::isnan(sums[lane]) ? sums[lane] : largest[lane];
    scale_row(out.data + i * out.ld, out.columns, factor);
  }
}

// One query head's matrices in backward.
template <class E>
struct HeadBackward {
  ConstMatrix q, dout;
  Left<E> k, v;
  Panels<E> k_panels;
  MutableMatrix dq, dk, dv;
  const real *shift, *factor;  // (T)
  real* dbias;                 // (2S - 1) by distance, or null
};

// Room for what a block needs in backward.
template <class E>
struct BlockRoom {
  E *packed, *left;
  E *left_dscores, *left_dscores_turned;  // null unless dS is rounded as it is computed
  real *weights, *dscores;
  real* slopes;  // null without a cap
};

// Σ_j P_ij·dP_ij, after P has taken the place of the scores.
template <class E>
QueryNumbers dots_of(const HeadBackward<E>& m, const Block& block, real* weights, const real* dscores) {
  QueryNumbers shift{}, factor{}, dot{};
  std::copy_n(m.shift + block.first(), block.rows(), shift.begin());
  std::copy_n(m.factor + block.first(), block.rows(), factor.begin());
  for (int64_t j = 0; j < block.keys(); ++j) {
    real* const weight = weights + j * panel;
    const real* const ds = dscores + j * panel;
#pragma omp simd
    for (int64_t i = 0; i < panel; ++i) {
      const auto lane = static_cast<std::size_t>(i);
      weight[i] = exp_(weight[i] - shift[lane]) * factor[lane];
      dot[lane] += weight[i] * ds[i];
    }
  }
  return dot;
}

// P from the scores, and dP, become P⊙m and dS.
template <class E>
void softmax_backward(const AttentionProblem& p, const HeadBackward<E>& m, const Block& block, real* weights,
                      real* dscores) {
  if (p.dropout > 0) block.drop(dscores);
  const QueryNumbers dot = dots_of(m, block, weights, dscores);
  for (int64_t j = 0; j < block.keys(); ++j) {
    const real* const weight = weights + j * panel;
    real* const ds = dscores + j * panel;
#pragma omp simd
    for (int64_t i = 0; i < panel; ++i) ds[i] = weight[i] * (ds[i] - dot[static_cast<std::size_t>(i)]);
  }
  if (p.dropout > 0) block.drop(weights);
}

// The same without dropout, rounded at once: P and dS in pairs of queries, and dS in pairs of keys too.
void rounded_softmax_backward(const HeadBackward<bf16_pair>& m, const Block& block, const BlockRoom<bf16_pair>& room) {
  const TwoKeys dots = twice(dots_of(m, block, room.weights, room.dscores));
  if (block.keys() % 2 != 0) {  // a key that nobody sees
    std::fill_n(room.weights + block.keys() * panel, panel, real{0});
    std::fill_n(room.dscores + block.keys() * panel, panel, real{0});
  }
  for (int64_t j = 0; j < block.keys(); j += 2) {
    const real* const weight = room.weights + j * panel;
    const real* const dp = room.dscores + j * panel;
    TwoKeys ds;
#pragma omp simd
    for (std::size_t i = 0; i < ds.size(); ++i) ds[i] = weight[i] * (dp[i] - dots[i]);
    for (int64_t key = 0; key < 2; ++key) {
      const int64_t row = (j + key) * panel / 2;
      store(room.left + row, pairs_along(weight + key * panel));
      store(room.left_dscores + row, pairs_along(ds.data() + key * panel));
    }
    round_across(ds, room.left_dscores_turned + j * panel / 2);
  }
}

// Adds one block of queries to dK, dV and the biases, and sets its rows of dQ. With beta = 0 it sets its keys of dK and
// dV.
template <class E>
void block_backward(const AttentionProblem& p, const HeadBackward<E>& m, const Block& block, const BlockRoom<E>& room,
                    real beta) {
  const auto packed = [&](Transpose t, ConstMatrix of) { return pack(t, block.queries_of(of), room.packed); };
  const auto factor = [&](Transpose t, const real* scores) { return left(t, block.scores_of(scores), room.left); };
  small_gemm(p.scale, block.keys_of(m.k), packed(Transpose::yes, m.q), 0, {room.weights, block.keys(), panel});
  block.finish_scores(room.weights, room.slopes);
  small_gemm(1, block.keys_of(m.v), packed(Transpose::yes, m.dout), 0, {room.dscores, block.keys(), panel});
  const auto dv_of = [&](const Left<E>& weights) {
    small_gemm(1, weights, packed(Transpose::no, m.dout), beta, block.keys_of(m.dv));
  };
  const auto dq_of = [&](const Left<E>& ds) {
    small_gemm(p.scale, ds, block.keys_of(m.k_panels), 0, block.queries_of(m.dq));
  };
  const auto dk_of = [&](const Left<E>& ds) {
    small_gemm(p.scale, ds, packed(Transpose::no, m.q), beta, block.keys_of(m.dk));
  };
  if constexpr (numbers_in<E> == 2) {
    if (room.left_dscores) {
      rounded_softmax_backward(m, block, room);
      dv_of({room.left, panel / 2, 1});
      dq_of({room.left_dscores_turned, 1, panel});
      dk_of({room.left_dscores, panel / 2, 1});
      return;
    }
  }
  softmax_backward(p, m, block, room.weights, room.dscores);
  if (m.dbias) block.add_to_bias(room.dscores, m.dbias);
  if (room.slopes) {
#pragma omp simd
    for (int64_t j = 0; j < block.keys() * panel; ++j) room.dscores[j] *= room.slopes[j];
  }
  dv_of(factor(Transpose::no, room.weights));
  dq_of(factor(Transpose::yes, room.dscores));
  dk_of(factor(Transpose::no, room.dscores));
}

// The gradients of one head's biases, from all distances to their buckets.
void sum_buckets(const AttentionProblem& p, const real* dbias, real* out) {
  std::fill_n(out, p.bias.bucket_count, real{0});
  const auto* bucket = p.bias.buckets.as<int32_t>();
  for (int64_t i = 0; i < 2 * p.keys - 1; ++i) out[bucket[i]] += dbias[i];
}

// S = cap(scale·Q·Kᵀ) + bias + mask    E = e^(S - max S)    O = drop(E)·V / Σ_j E_ij
template <class E>
void forward(const AttentionProblem& p, HeadsView<const real> q, HeadsView<const real> k, HeadsView<const real> v,
             HeadsView<real> out, SoftmaxRows rows, real* tops) {
  const bool one = p.queries == 1;
  const int64_t q_size = packed_size<E>(p.head_size, panel);
  const int64_t k_size = left_size<E>(p.room, p.head_size);
  const int64_t v_size = packed_size<E>(p.room, p.head_size);
  const int64_t weights_size = left_size<E>(panel, p.room);
  const int64_t factors = one ? 0 : q_size + k_size + v_size + weights_size;
  parallel_tasks(p.batch * p.heads, (p.room + 1) * panel + factors, [&](int64_t task, real* scratch) {
    const int64_t b = task / p.heads;
    const int64_t h = task % p.heads;
    const int64_t g = h / p.queries_per_key_head();
    const HeadForward m{.q = q.head(b, h, p.queries, p.head_size),
                        .k = k.head(b, g, p.keys, p.head_size),
                        .v = v.head(b, g, p.keys, p.head_size),
                        .out = out.head(b, h, p.queries, p.head_size),
                        .shift = rows.shift + task * p.queries,
                        .factor = rows.factor + task * p.queries,
                        .tops = tops ? tops + task * p.queries : nullptr};
    Room room(scratch);
    real* const scores = room.take((p.room + 1) * panel);
    if (one) {
      block_forward(p, m, OneQuery(p, b, h, 0), ProductsOfOne(), scores);
      return;
    }
    const Products<E> products{.k = left(Transpose::no, m.k, room.take<E>(k_size)),
                               .v = pack(Transpose::no, m.v, room.take<E>(v_size)),
                               .packed_q = room.take<E>(q_size),
                               .left_weights = room.take<E>(weights_size)};
    for (int64_t first = 0; first < p.queries; first += panel) {
      block_forward(p, m, Block(p, b, h, first), products, scores);
    }
  });
}

// With P = E / Σ_j E_ij as above, once more from S, and m the dropout factors:
//   dV = (P⊙m)ᵀ·dO    dP = (dO·Vᵀ)⊙m    dS = P⊙(dP - Σ_j P_ij·dP_ij)    dbias = dS, summed by distance
//   dZ = dS⊙cap'(scale·Q·Kᵀ)    dQ = scale·dZ·K    dK = scale·dZᵀ·Q
// One task is one key head with all its queries, so that dK and dV have one order of summation.
template <class E>
void backward(const AttentionProblem& p, HeadsView<const real> q, HeadsView<const real> k, HeadsView<const real> v,
              SoftmaxRows rows, HeadsView<const real> dout, const AttentionGradients& gradients) {
  const int64_t keys_size = left_size<E>(p.keys, p.head_size);
  const int64_t k_size = packed_size<E>(p.keys, p.head_size);
  const int64_t packed = std::max(packed_size<E>(p.head_size, panel), packed_size<E>(panel, p.head_size));
  const int64_t left_scores = std::max(left_size<E>(panel, p.keys), left_size<E>(p.keys + 1, panel));
  const int64_t scores = (p.keys + 1) * panel;
  const int64_t slopes = p.softcap > 0 ? scores : 0;
  const int64_t distances = gradients.bias ? 2 * p.keys : 0;
  // Nothing happens to P and dS between softmax and products.
  const bool rounds_at_once = numbers_in<E> == 2 && p.dropout == 0 && p.softcap == 0 && !gradients.bias;
  const int64_t room_size =
      2 * keys_size + k_size + packed + (rounds_at_once ? 3 : 1) * left_scores + 2 * scores + slopes + distances;
  parallel_tasks(p.batch * p.kv_heads, room_size, [&](int64_t task, real* scratch) {
    const int64_t b = task / p.kv_heads;
    const int64_t g = task % p.kv_heads;
    Room room(scratch);
    const ConstMatrix k_head = k.head(b, g, p.keys, p.head_size);
    const ConstMatrix v_head = v.head(b, g, p.keys, p.head_size);
    const Left<E> k_left = left(Transpose::no, k_head, room.take<E>(keys_size));
    const Left<E> v_left = left(Transpose::no, v_head, room.take<E>(keys_size));
    const Panels<E> k_panels = pack(Transpose::no, k_head, room.take<E>(k_size));
    const BlockRoom<E> block_room{.packed = room.take<E>(packed),
                                  .left = room.take<E>(left_scores),
                                  .left_dscores = rounds_at_once ? room.take<E>(left_scores) : nullptr,
                                  .left_dscores_turned = rounds_at_once ? room.take<E>(left_scores) : nullptr,
                                  .weights = room.take(scores),
                                  .dscores = room.take(scores),
                                  .slopes = slopes > 0 ? room.take(slopes) : nullptr};
    real* const dbias = gradients.bias ? room.take(distances) : nullptr;
    const MutableMatrix dk_head = gradients.k.head(b, g, p.keys, p.head_size);
    const MutableMatrix dv_head = gradients.v.head(b, g, p.keys, p.head_size);
    bool sets = true;  // the next block sets dK and dV, which nothing has been written to
    const auto begin_with_zeros = [&] {
      zero(dk_head);
      zero(dv_head);
      sets = false;
    };
    for (int64_t h = g * p.queries_per_key_head(); h < (g + 1) * p.queries_per_key_head(); ++h) {
      const int64_t head = b * p.heads + h;
      const HeadBackward<E> m{.q = q.head(b, h, p.queries, p.head_size),
                              .dout = dout.head(b, h, p.queries, p.head_size),
                              .k = k_left,
                              .v = v_left,
                              .k_panels = k_panels,
                              .dq = gradients.q.head(b, h, p.queries, p.head_size),
                              .dk = dk_head,
                              .dv = dv_head,
                              .shift = rows.shift + head * p.queries,
                              .factor = rows.factor + head * p.queries,
                              .dbias = dbias};
      if (dbias) std::fill_n(dbias, distances, real{0});
      // The last queries come first: as a rule they see all keys, and dK and dV need no zeros to begin with.
      for (int64_t first = (p.queries + panel - 1) / panel * panel - panel; first >= 0; first -= panel) {
        const Block block(p, b, h, first);
        if (sets && block.keys() < p.keys) begin_with_zeros();
        block_backward(p, m, block, block_room, std::exchange(sets, false) ? 0 : 1);
      }
      if (dbias) sum_buckets(p, dbias, gradients.bias + head * p.bias.bucket_count);
    }
    if (sets) begin_with_zeros();
  });
}

}  // namespace

void attention_forward(const AttentionProblem& p, HeadsView<const real> q, HeadsView<const real> k,
                       HeadsView<const real> v, HeadsView<real> out, SoftmaxRows rows, real* tops) {
  const auto run = p.precision == Precision::f32 ? forward<real> : forward<bf16_pair>;
  run(p, q, k, v, out, rows, tops);
}

void attention_backward(const AttentionProblem& p, HeadsView<const real> q, HeadsView<const real> k,
                        HeadsView<const real> v, SoftmaxRows rows, HeadsView<const real> dout,
                        const AttentionGradients& gradients) {
  const bool exact = p.precision == Precision::f32 || p.queries == 1;  // as forward did
  const auto run = exact ? backward<real> : backward<bf16_pair>;
  run(p, q, k, v, rows, dout, gradients);
}

}  // namespace tape::inline TAPE_ABI
