// A block of queries of one head and their scores: which keys are seen, and what is added to their scores.
#pragma once

#include <array>
#include <limits>

#include <tape/core/ops/attention_kernel.h>
#include <tape/core/panels.h>

namespace tape::inline TAPE_ABI {

/// Score of a key that a query does not see.
constexpr real unseen_score = -std::numeric_limits<real>::infinity();

/// Keys begin … end - 1.
struct KeyRange {
  int64_t begin = 0, end = 0;
};

/// Up to `width` queries of one head, and the keys that they need: those that none of them sees are not computed, at
/// either end. Scores stand transposed, a row of `width` numbers for each key: sums over keys are then computed for all
/// queries at once, each in its lane of a vector. Lanes without a query hold numbers that nobody reads. The width is
/// `panel`, or 1 for a single query, as when a text grows token by token: its scores are one row.
template <int64_t width>
class QueryBlock {
 public:
  /// One number for each query.
  using Numbers = std::array<real, static_cast<std::size_t>(width)>;

  /// Queries first … first + width - 1 of head h of batch element b, as far as there are any.
  QueryBlock(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first);

  int64_t rows() const { return rows_; }
  int64_t keys() const { return keys_.end - keys_.begin; }
  int64_t first() const { return first_; }
  /// The block's queries of a matrix with a row for each query.
  template <class T>
  Matrix<T> queries_of(Matrix<T> m) const {
    return m.row_range(first_, rows_);
  }
  /// The keys it needs of a matrix with a row for each key.
  template <class T>
  Matrix<T> keys_of(Matrix<T> m) const {
    return m.row_range(keys_.begin, keys());
  }
  template <class E>
  Panels<E> keys_of(const Panels<E>& m) const {
    return m.row_range(keys_.begin, keys());
  }
  template <class E>
  Left<E> keys_of(const Left<E>& m) const {
    return m.from_row(keys_.begin);
  }
  /// Scores, or what else has their form, without the lanes that hold nothing: (keys, rows).
  ConstMatrix scores_of(const real* scores) const { return {scores, keys(), rows_, width}; }

  /// To scale·K·Qᵀ in `scores` (keys, width) comes what a score has besides: cap(scores) + bias + mask, -infinity where
  /// a key is hidden from a query. `slopes`, of the same size, becomes cap' there, if given.
  void finish_scores(real* scores, real* slopes = nullptr) const;
  /// Adds the gradients of the scores to those of the biases by distance.
  void add_to_bias(const real* dscores, real* dbias) const;
  /// Multiplies weights, or their gradients, by their dropout factors: 0 or 1/(1-p).
  void drop(real* weights) const;

 private:
  int64_t position(int64_t t) const;
  int64_t distances() const;
  int64_t distance(int64_t i, int64_t j) const;
  KeyRange seen_by(int64_t t) const;
  KeyRange seen_here(int64_t i) const;
  void narrow_to_segments();
  void add_bias(real* scores) const;
  void add_mask(real* scores) const;
  void hide_other_segments(real* scores) const;
  void hide_unseen(real* scores) const;
  void cap(real* scores, real* slopes) const;

  const AttentionProblem& p_;
  int64_t b_, h_, first_, rows_;
  int64_t valid_ = 0;  // keys that are not padding
  KeyRange keys_;
};

}  // namespace tape::inline TAPE_ABI
