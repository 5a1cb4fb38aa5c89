// PairBatches: sources and their targets, to learn to write the one while reading the other, such as a translation.
//
// A pair is kept when its source and its target, with one special token, fit the context. Of the n kept pairs the last
// ⌊n/10⌋ validate, and the others train. Batch k draws B of them, each uniformly, a pure function of (seed, k). With
// the target t_1 … t_m the decoder reads begin, t_1, …, t_m and should say t_1, …, t_m, end. Rows are padded to the
// longest of their batch; padding is hidden from attention and has no target.
#pragma once

#include <vector>

#include <tape/examples/support/batch.h>
#include <tape/examples/support/corpus.h>

namespace tape::inline TAPE_ABI::tool {

class PairBatches : public BatchSource {
 public:
  /// The last two tokens of the vocabulary are end and begin. Throws Error when fewer than ten pairs fit the context.
  PairBatches(std::vector<Pair> pairs, BatchOptions options);

  Batch training(int64_t size, int64_t index) const override;
  int64_t validation_rows() const override { return std::ssize(validation_); }
  Batch validation(int64_t first, int64_t size) const override;
  double unigram_entropy() const override;
  std::string description() const override;

 private:
  Batch cut(const std::vector<int64_t>& numbers) const;

  BatchOptions options_;
  std::vector<Pair> pairs_;  // those that are kept
  int64_t left_out_ = 0;
  int64_t training_ = 0;  // the first of them train
  std::vector<int64_t> validation_;
};

}  // namespace tape::inline TAPE_ABI::tool
