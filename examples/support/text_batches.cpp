#include <tape/examples/support/text_batches.h>

#include <fmt/format.h>

#include <algorithm>

#include <tape/examples/support/numbers.h>

namespace tape::inline TAPE_ABI::tool {

TextBatches::TextBatches(std::vector<int32_t> tokens, BatchOptions options)
    : options_(std::move(options)), data_(std::move(tokens), options_.seed) {
  data_.require_windows(options_.context, options_.path);
  starts_ = data_.validation_starts(options_.context, options_.validation_rows);
}

Batch TextBatches::training(int64_t size, int64_t index) const {
  return data_.batch(size, options_.context, index);
}

Batch TextBatches::validation(int64_t first, int64_t size) const {
  const auto begin = static_cast<std::size_t>(first);
  const auto count = std::min(static_cast<std::size_t>(size), starts_.size() - begin);
  return data_.validation_batch(std::span(starts_).subspan(begin, count), options_.context);
}

double TextBatches::unigram_entropy() const {
  return tool::unigram_entropy(data_.training(), options_.vocab);
}

std::string TextBatches::description() const {
  const int64_t characters = std::ssize(data_.training()) + std::ssize(data_.validation());
  return fmt::format("{} characters, a tenth to validate", grouped(characters));
}

}  // namespace tape::inline TAPE_ABI::tool
