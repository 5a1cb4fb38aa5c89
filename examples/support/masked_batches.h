// MaskedBatches: windows of a text with some of their characters hidden, to learn what stands there: the masked
// language model of Devlin et al. 2018 (BERT), arXiv 1810.04805, section 3.1.
//
// The windows are those of TextBatches. Each position is chosen with probability 0.15; a window of which none would be
// gets one, drawn uniformly. Of the chosen, 80 % show the mask token, 10 % a random character and 10 % their own. The
// target is the character itself at chosen positions, and nothing elsewhere. The masks of batch k of B rows are a pure
// function of (seed, k·B), those of a validation window of the seed and its number.
#pragma once

#include <tape/examples/support/text_batches.h>

namespace tape::inline TAPE_ABI::tool {

class MaskedBatches : public BatchSource {
 public:
  /// The last token of the vocabulary is the mask. Throws as TextBatches does.
  MaskedBatches(std::vector<int32_t> tokens, const BatchOptions& options);

  Batch training(int64_t size, int64_t index) const override;
  int64_t validation_rows() const override { return windows_.validation_rows(); }
  Batch validation(int64_t first, int64_t size) const override;
  double unigram_entropy() const override { return windows_.unigram_entropy(); }
  std::string description() const override { return windows_.description() + ", 15 % asked for"; }

 private:
  /// Hides some positions of one window, given by its row in the batch.
  void mask(Batch& batch, int64_t row, const Draw& draw) const;

  TextBatches windows_;
  int64_t vocab_;
  Random training_masks_;
  Random validation_masks_;
};

}  // namespace tape::inline TAPE_ABI::tool
