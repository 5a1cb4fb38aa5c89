#include <tape/examples/support/dataset.h>

#include <algorithm>
#include <cmath>

namespace tape::inline TAPE_ABI::tool {

namespace {

Batch cut(std::span<const int32_t> part, std::span<const int64_t> starts, int64_t context) {
  const Shape shape{static_cast<int64_t>(starts.size()), context};
  Batch batch{Ids(shape), Ids(shape)};
  for (std::size_t row = 0; row < starts.size(); ++row) {
    const int32_t* window = part.data() + starts[row];
    const int64_t offset = static_cast<int64_t>(row) * context;
    std::copy_n(window, context, batch.input.mutable_data() + offset);
    std::copy_n(window + 1, context, batch.target.mutable_data() + offset);
  }
  return batch;
}

}  // namespace

std::span<const int32_t> Dataset::training() const {
  return std::span(tokens_).first(tokens_.size() - tokens_.size() / 10);
}

std::span<const int32_t> Dataset::validation() const {
  return std::span(tokens_).last(tokens_.size() / 10);
}

void Dataset::require_windows(int64_t context, const std::string& source) const {
  const auto validation_size = static_cast<int64_t>(validation().size());
  if (validation_size > context) return;  // the training part is larger
  throw Error(str(source, " is too short for a context of ", context, ": of its ", tokens_.size(),
                  " characters the last ", validation_size, " are for validation, which needs ", context + 1,
                  "; use a text of at least ", 10 * (context + 1), " characters or a smaller --context"));
}

Batch Dataset::batch(int64_t size, int64_t context, int64_t index) const {
  const std::span<const int32_t> part = training();
  const std::vector<int64_t> starts = drawn_rows(seed_, index, size, std::ssize(part) - context);
  return cut(part, starts, context);
}

std::vector<int64_t> Dataset::validation_starts(int64_t context, int64_t most) const {
  std::vector<int64_t> starts = spaced_rows((std::ssize(validation()) - 1) / context, most);
  for (int64_t& start : starts) start *= context;
  return starts;
}

Batch Dataset::validation_batch(std::span<const int64_t> starts, int64_t context) const {
  return cut(validation(), starts, context);
}

double unigram_entropy(std::span<const int32_t> tokens, int64_t vocab) {
  std::vector<double> counts(static_cast<std::size_t>(vocab));
  for (const int32_t token : tokens) ++counts[static_cast<std::size_t>(token)];
  double entropy = 0;
  for (const double count : counts) {
    const double p = count / static_cast<double>(tokens.size());
    if (p > 0) entropy -= p * std::log(p);
  }
  return entropy;
}

}  // namespace tape::inline TAPE_ABI::tool
