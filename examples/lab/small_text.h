// A small text for trainings on something that people wrote: the first four chapters of Genesis in the King James
// translation, which is in the public domain. It is part of the program (small_text.txt), so that it is always there.
#pragma once

#include <cstdint>

#include <tape/examples/support/dataset.h>

namespace tape::inline TAPE_ABI::lab {

/// The text as characters; as in all of the project's data the last tenth is not trained on.
class SmallText {
 public:
  SmallText();

  int64_t vocab() const { return vocab_; }
  /// Batch number `index` of random windows of (context + 1) characters; a pure function of `index`.
  tool::Batch batch(int64_t rows, int64_t context, int64_t index) const { return data_.batch(rows, context, index); }
  /// Entropies in nats of this text's own counts: of a character, and of a character given the one before. A model that
  /// sees more than one character can go below both.
  double unigram_entropy() const;
  double bigram_entropy() const;

 private:
  int64_t vocab_ = 0;
  tool::Dataset data_;
};

const SmallText& small_text();

}  // namespace tape::inline TAPE_ABI::lab
