#include <tape/core/ops/attention_block.h>

#include <algorithm>
#include <cmath>

#include <tape/core/vector_math.h>

namespace tape::inline TAPE_ABI {

template <int64_t width>
QueryBlock<width>::QueryBlock(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first)
    : p_(problem), b_(b), h_(h), first_(first), rows_(std::min(width, problem.queries - first)) {
  valid_ = p_.key_lengths ? std::clamp<int64_t>(p_.key_lengths.data()[b], 0, p_.keys) : p_.keys;
  keys_ = {seen_by(first).begin, seen_by(first + rows_ - 1).end};
  if (p_.segments) narrow_to_segments();
  keys_.begin -= keys_.begin % 4;  // dropout's random words come in fours, and keys in pairs of bf16
  if (keys_.begin >= keys_.end) keys_ = {};
}

// Where query t stands among the keys.
template <int64_t width>
int64_t QueryBlock<width>::position(int64_t t) const {
  return t + p_.keys - p_.queries;
}

template <int64_t width>
int64_t QueryBlock<width>::distances() const {
  return 2 * p_.keys - 1;
}

// The entry of the biases by distance for query i and key j of the block.
template <int64_t width>
int64_t QueryBlock<width>::distance(int64_t i, int64_t j) const {
  return keys_.begin + j - position(first_ + i) + p_.keys - 1;
}

// The keys that query t sees, segments and mask aside.
template <int64_t width>
KeyRange QueryBlock<width>::seen_by(int64_t t) const {
  KeyRange seen{0, valid_};
  if (p_.causal) seen.end = std::clamp<int64_t>(position(t) + 1, 0, valid_);
  if (p_.window > 0) {
    if (!p_.causal) seen.end = std::clamp<int64_t>(position(t) + p_.window, 0, valid_);
    seen.begin = std::clamp<int64_t>(position(t) - p_.window + 1, 0, seen.end);
  }
  return seen;
}

// The same for query i of the block, counted from the block's first key.
template <int64_t width>
KeyRange QueryBlock<width>::seen_here(int64_t i) const {
  const KeyRange seen = seen_by(first_ + i);
  return {std::clamp<int64_t>(seen.begin - keys_.begin, 0, keys()),
          std::clamp<int64_t>(seen.end - keys_.begin, 0, keys())};
}

// Leaves out keys before and after those of the block's segments.
template <int64_t width>
void QueryBlock<width>::narrow_to_segments() {
  const int32_t* const own = p_.segments.data() + b_ * p_.queries + first_;
  const int32_t* const segment = p_.key_segments.data() + b_ * p_.keys;
  int32_t lowest = std::numeric_limits<int32_t>::max();
  int32_t highest = -1;
  for (int64_t i = 0; i < rows_; ++i) {
    if (own[i] >= 0) lowest = std::min(lowest, own[i]);
    highest = std::max(highest, own[i]);
  }
  const auto apart = [&](int64_t key) { return segment[key] < lowest || segment[key] > highest; };
  while (keys_.begin < keys_.end && apart(keys_.begin)) ++keys_.begin;
  while (keys_.begin < keys_.end && apart(keys_.end - 1)) --keys_.end;
}

template <int64_t width>
void QueryBlock<width>::finish_scores(real* scores, real* slopes) const {
  if (p_.softcap > 0) cap(scores, slopes);
  if (p_.bias.values) add_bias(scores);
  if (p_.mask) add_mask(scores);
  if (p_.segments) hide_other_segments(scores);
  hide_unseen(scores);
}

// s → c·tanh(s/c), with the slope 1 - tanh².
template <int64_t width>
void QueryBlock<width>::cap(real* scores, real* slopes) const {
  const int64_t count = keys() * width;
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

// Keys that a query does not see may be at distances that have no entry.
template <int64_t width>
void QueryBlock<width>::add_bias(real* scores) const {
  const real* const bias = p_.bias.values.as<real>() + h_ * distances();
  for (int64_t i = 0; i < rows_; ++i) {
    const KeyRange seen = seen_here(i);
    for (int64_t j = seen.begin; j < seen.end; ++j) scores[j * width + i] += bias[distance(i, j)];
  }
}

template <int64_t width>
void QueryBlock<width>::add_mask(real* scores) const {
  const int64_t first_row = (p_.mask.rank() == 3 ? b_ * p_.queries : 0) + first_;
  for (int64_t i = 0; i < rows_; ++i) {
    const real* const mask = p_.mask.data() + (first_row + i) * p_.keys + keys_.begin;
    for (int64_t j = 0; j < keys(); ++j) scores[j * width + i] += mask[j];
  }
}

template <int64_t width>
void QueryBlock<width>::hide_other_segments(real* scores) const {
  std::array<int32_t, static_cast<std::size_t>(width)> own;
  own.fill(-1);
  std::copy_n(p_.segments.data() + b_ * p_.queries + first_, rows_, own.begin());
  const int32_t* const segments = p_.key_segments.data() + b_ * p_.keys + keys_.begin;
  for (int64_t j = 0; j < keys(); ++j) {
    const int32_t segment = segments[j];
    real* const row = scores + j * width;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) {
      const int32_t query = own[static_cast<std::size_t>(i)];
      row[i] = query >= 0 && segment == query ? row[i] : unseen_score;
    }
  }
}

// Hides keys at both ends, which a part of the queries does not see.
template <int64_t width>
void QueryBlock<width>::hide_unseen(real* scores) const {
  std::array<int32_t, static_cast<std::size_t>(width)> begin{};
  std::array<int32_t, static_cast<std::size_t>(width)> end{};
  KeyRange seen_by_all{0, keys()};
  for (int64_t i = 0; i < rows_; ++i) {
    const KeyRange seen = seen_here(i);
    begin[static_cast<std::size_t>(i)] = static_cast<int32_t>(seen.begin);
    end[static_cast<std::size_t>(i)] = static_cast<int32_t>(seen.end);
    seen_by_all = {std::max(seen_by_all.begin, seen.begin), std::min(seen_by_all.end, seen.end)};
  }
  const auto hide_among = [&](KeyRange keys) {
    for (int64_t j = keys.begin; j < keys.end; ++j) {
      const auto key = static_cast<int32_t>(j);
      real* const row = scores + j * width;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) {
        const auto lane = static_cast<std::size_t>(i);
        row[i] = key >= begin[lane] && key < end[lane] ? row[i] : unseen_score;
      }
    }
  };
  hide_among({0, seen_by_all.begin});
  hide_among({std::max(seen_by_all.begin, seen_by_all.end), keys()});
}

template <int64_t width>
void QueryBlock<width>::add_to_bias(const real* dscores, real* dbias) const {
  for (int64_t i = 0; i < rows_; ++i) {
    const KeyRange seen = seen_here(i);
    for (int64_t j = seen.begin; j < seen.end; ++j) dbias[distance(i, j)] += dscores[j * width + i];
  }
}

template <int64_t width>
void QueryBlock<width>::drop(real* weights) const {
  const auto drop_below = static_cast<uint64_t>(std::llround(p_.dropout * 0x1p32));
  const auto kept = static_cast<real>(1 / (1 - p_.dropout));
  const int64_t blocks_per_row = (p_.keys + 3) / 4;
  for (int64_t i = 0; i < rows_; ++i) {
    const int64_t first_block = ((b_ * p_.heads + h_) * p_.queries + first_ + i) * blocks_per_row + keys_.begin / 4;
    for (int64_t j = 0; j < keys(); j += 4) {
      const std::array<uint32_t, 4> words = p_.draw.words(static_cast<uint64_t>(first_block + j / 4));
      for (int64_t n = 0; n < std::min<int64_t>(4, keys() - j); ++n) {
        weights[(j + n) * width + i] *= words[static_cast<std::size_t>(n)] >= drop_below ? kept : real{0};
      }
    }
  }
}

template class QueryBlock<panel>;
template class QueryBlock<1>;

}  // namespace tape::inline TAPE_ABI
