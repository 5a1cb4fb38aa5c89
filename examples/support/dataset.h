// A text as training and validation data: where it is split, which windows make a batch, which windows validate.
//
// Everything here is exact, so that another program can train and measure on the same windows. n is the number of
// tokens, T the context; a window is T+1 tokens from its start: the first T are the input, the last T the targets.
//
//   split        validation is the last ⌊n/10⌋ tokens, training all before them
//   batch        number k draws B starts, each uniform over all starts in the training part, a pure function of
//                (seed, k): Draw(seed, stream "batches", k).below(i, training size - T) for i = 0 … B-1
//   validation   of the W = ⌊(m-1)/T⌋ windows that follow each other without overlap in the validation part of m
//                tokens (window w starts at w·T), min(W, most) evenly spaced ones: w_i = ⌊i·W/min(W, most)⌋
//   its loss     the mean over all targets of all these windows, which see nothing before their own start
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tape/core/random.h>
#include <tape/core/tensor.h>
#include <tape/examples/support/batch.h>

namespace tape::inline TAPE_ABI::tool {

/// A text. Each row of its batches is a window; the target is one token further on than the input.
class Dataset {
 public:
  Dataset(std::vector<int32_t> tokens, Seed seed) : tokens_(std::move(tokens)), seed_(seed) {}

  std::span<const int32_t> training() const;
  std::span<const int32_t> validation() const;

  /// Throws Error that starts with `source` unless both parts hold a window of this context.
  void require_windows(int64_t context, const std::string& source) const;
  /// Batch number `index` (0, 1, …) of random windows of the training part.
  Batch batch(int64_t size, int64_t context, int64_t index) const;
  /// Starts of the validation windows, counted from the first validation token.
  std::vector<int64_t> validation_starts(int64_t context, int64_t most) const;
  /// The validation windows with these starts.
  Batch validation_batch(std::span<const int64_t> starts, int64_t context) const;

 private:
  std::vector<int32_t> tokens_;
  Seed seed_;
};

/// Entropy in nats of the distribution of single tokens: the loss of a model that knows how frequent each one is, and
/// nothing else. Tokens are 0 … vocab-1.
double unigram_entropy(std::span<const int32_t> tokens, int64_t vocab);

}  // namespace tape::inline TAPE_ABI::tool
