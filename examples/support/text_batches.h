// TextBatches: windows of a text, to learn what comes next. The windows are those of dataset.h.
#pragma once

#include <vector>

#include <tape/examples/support/batch.h>
#include <tape/examples/support/dataset.h>

namespace tape::inline TAPE_ABI::tool {

class TextBatches : public BatchSource {
 public:
  /// Throws Error for a text that is too short for a window to train on and one to validate on.
  TextBatches(std::vector<int32_t> tokens, BatchOptions options);

  Batch training(int64_t size, int64_t index) const override;
  int64_t validation_rows() const override { return std::ssize(starts_); }
  Batch validation(int64_t first, int64_t size) const override;
  double unigram_entropy() const override;
  std::string description() const override;

 private:
  BatchOptions options_;
  Dataset data_;
  std::vector<int64_t> starts_;  // of the validation windows
};

}  // namespace tape::inline TAPE_ABI::tool
