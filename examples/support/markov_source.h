// A language whose every secret is known, for experiments: each token depends on the one before it alone, with random
// probabilities, so that the lowest possible loss is a sum.
#pragma once

#include <array>
#include <cstdint>

#include <tape/core/random.h>
#include <tape/examples/support/dataset.h>

namespace tape::inline TAPE_ABI::tool {

class MarkovSource {
 public:
  static constexpr int64_t vocab = 16;

  /// Draws the probabilities: row a of the table is softmax(2·z) of standard normal numbers z.
  explicit MarkovSource(Seed seed);

  /// Batch number `index` of `rows` sequences, each (context + 1) tokens long; a pure function of (seed, index).
  Batch batch(int64_t rows, int64_t context, int64_t index) const;

  /// Entropy in nats of the next token, given the one before: the lowest loss there is.
  double entropy() const;
  /// Entropy of single tokens: the loss of a model that knows how frequent each is.
  double unigram_entropy() const;

 private:
  using Distribution = std::array<double, vocab>;
  static int32_t draw_from(const Distribution& distribution, double u);

  Seed seed_;
  std::array<Distribution, vocab> next_{};  // next_[a][b]: probability of b after a
  Distribution share_{};                    // of each token in a long text
};

}  // namespace tape::inline TAPE_ABI::tool
