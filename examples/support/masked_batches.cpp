#include <tape/examples/support/masked_batches.h>

#include <tape/core/ops/loss.h>
#include <tape/examples/support/corpus.h>

namespace tape::inline TAPE_ABI::tool {

MaskedBatches::MaskedBatches(std::vector<int32_t> tokens, const BatchOptions& options)
    : windows_(std::move(tokens), options),
      vocab_(options.vocab),
      training_masks_(Random::named(options.seed, "masks")),
      validation_masks_(Random::named(options.seed, "validation masks")) {}

void MaskedBatches::mask(Batch& batch, int64_t row, const Draw& draw) const {
  constexpr double chosen = 0.15;
  constexpr double masked = 0.8;
  constexpr double random = 0.1;
  const int64_t length = batch.input.shape().last();
  const auto t = static_cast<uint64_t>(length);
  int32_t* const input = batch.input.mutable_data() + row * length;
  int32_t* const target = batch.target.mutable_data() + row * length;
  // Four numbers for each position: is it chosen, what does it show, which character; and one more for the window.
  const int64_t lucky = draw.below(4 * t, length);
  bool any = false;
  for (uint64_t i = 0; i < t; ++i) any = any || draw.uniform(4 * i) < chosen;
  for (uint64_t i = 0; i < t; ++i) {
    const bool choose = any ? draw.uniform(4 * i) < chosen : static_cast<int64_t>(i) == lucky;
    target[i] = choose ? input[i] : CrossEntropyOptions{}.ignore_index;
    if (!choose) continue;
    const double what = draw.uniform(4 * i + 1);
    if (what < masked) {
      input[i] = mask_token(vocab_);
    } else if (what < masked + random) {
      input[i] = static_cast<int32_t>(draw.below(4 * i + 2, vocab_ - 1));
    }
  }
}

Batch MaskedBatches::training(int64_t size, int64_t index) const {
  Batch batch = windows_.training(size, index);
  for (int64_t row = 0; row < size; ++row)
    mask(batch, row, training_masks_.at(static_cast<uint64_t>(index * size + row)));
  return batch;
}

Batch MaskedBatches::validation(int64_t first, int64_t size) const {
  Batch batch = windows_.validation(first, size);
  const int64_t rows = batch.input.size() / batch.input.shape().last();
  for (int64_t row = 0; row < rows; ++row) mask(batch, row, validation_masks_.at(static_cast<uint64_t>(first + row)));
  return batch;
}

}  // namespace tape::inline TAPE_ABI::tool
