// Batches: what a model reads and what it should say, and where they come from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tape/core/random.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI::tool {

/// B sequences of tokens, padded to the same length.
struct Batch {
  Ids input;                ///< (B, T): what the model reads, in an encoder-decoder model the decoder
  Ids target;               ///< (B, T): what it should say there; CrossEntropyOptions::ignore_index: anything
  Ids lengths = {};         ///< (B): where padding begins in `input`; unset: nowhere
  Ids source = {};          ///< (B, S): what the encoder of an encoder-decoder model reads
  Ids source_lengths = {};  ///< (B): where padding begins in `source`
};

/// Tokens that a model reads in a batch, without padding.
int64_t count_tokens(const Batch& batch);
/// The sequences of a batch that belong to a shard, see Shards::part_of.
Batch shard_of(const Batch& batch, int shard);

/// What the sources of batches need to know.
struct BatchOptions {
  int64_t context = 0;  ///< longest sequence
  int64_t vocab = 0;
  int64_t validation_rows = 0;  ///< at most so many windows or pairs validate
  Seed seed = {};
  std::string path;  ///< of the data, for messages
};

/// The rows of batch number `index`: `size` numbers, each uniform in 0 … n-1, a pure function of (seed, index):
/// Draw(seed, stream "batches", index).below(i, n) for i = 0 … size-1.
std::vector<int64_t> drawn_rows(Seed seed, int64_t index, int64_t size, int64_t n);
/// ⌊i·n/c⌋ for i = 0 … c-1, with c = min(n, most): numbers of 0 … n-1, evenly spaced.
std::vector<int64_t> spaced_rows(int64_t n, int64_t most);

/// The batches of a run. All are pure functions of the data, the seed and the batch's number.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  /// Batch number `index` (0, 1, …) of `size` rows to train on.
  virtual Batch training(int64_t size, int64_t index) const = 0;
  /// Rows that measure the validation loss: always the same.
  virtual int64_t validation_rows() const = 0;
  /// Those from `first` on, `size` at most.
  virtual Batch validation(int64_t first, int64_t size) const = 0;
  /// Entropy in nats of the distribution of single targets in the training data: the loss of a model that knows how
  /// frequent each one is, and nothing else.
  virtual double unigram_entropy() const = 0;
  /// What there is to learn from, for people: "4,400,000 characters, a tenth to validate".
  virtual std::string description() const = 0;
};

}  // namespace tape::inline TAPE_ABI::tool
