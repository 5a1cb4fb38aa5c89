#include <tape/examples/support/pair_batches.h>

#include <fmt/format.h>

#include <algorithm>

#include <tape/core/ops/loss.h>
#include <tape/examples/support/dataset.h>
#include <tape/examples/support/numbers.h>

namespace tape::inline TAPE_ABI::tool {

PairBatches::PairBatches(std::vector<Pair> pairs, BatchOptions options)
    : options_(std::move(options)), pairs_(std::move(pairs)) {
  left_out_ = static_cast<int64_t>(std::erase_if(pairs_, [&](const Pair& pair) {
    return std::ssize(pair.source) > options_.context || std::ssize(pair.target) + 1 > options_.context;
  }));
  const int64_t count = std::ssize(pairs_);
  const int64_t to_validate = count / 10;
  if (to_validate == 0) {
    const std::string longer =
        left_out_ == 0 ? "use more pairs" : str("use more pairs or a larger --context, ", left_out_, " need one");
    throw Error(str(options_.path, " has ", count == 1 ? "1 pair" : str(count, " pairs"), " that ",
                    count == 1 ? "fits" : "fit", " a context of ", options_.context,
                    ", and at least 10 are needed, of which one validates: ", longer));
  }
  training_ = count - to_validate;
  validation_ = spaced_rows(to_validate, options_.validation_rows);
  for (int64_t& number : validation_) number += training_;
}

Batch PairBatches::cut(const std::vector<int64_t>& numbers) const {
  int64_t longest_source = 1;
  int64_t longest_target = 1;
  for (const int64_t number : numbers) {
    const Pair& pair = pairs_[static_cast<std::size_t>(number)];
    longest_source = std::max(longest_source, std::ssize(pair.source));
    longest_target = std::max(longest_target, std::ssize(pair.target) + 1);
  }
  const int64_t rows = std::ssize(numbers);
  Batch batch{.input = Ids({rows, longest_target}),
              .target = Ids({rows, longest_target}),
              .lengths = Ids({rows}),
              .source = Ids({rows, longest_source}),
              .source_lengths = Ids({rows})};
  std::fill_n(batch.input.mutable_data(), batch.input.size(), end_token(options_.vocab));
  std::fill_n(batch.source.mutable_data(), batch.source.size(), end_token(options_.vocab));
  std::fill_n(batch.target.mutable_data(), batch.target.size(), CrossEntropyOptions{}.ignore_index);
  for (int64_t row = 0; row < rows; ++row) {
    const Pair& pair = pairs_[static_cast<std::size_t>(numbers[static_cast<std::size_t>(row)])];
    std::ranges::copy(pair.source, batch.source.mutable_data() + row * longest_source);
    int32_t* const input = batch.input.mutable_data() + row * longest_target;
    int32_t* const target = batch.target.mutable_data() + row * longest_target;
    *input = begin_token(options_.vocab);
    std::ranges::copy(pair.target, input + 1);
    *std::ranges::copy(pair.target, target).out = end_token(options_.vocab);
    batch.source_lengths.mutable_data()[row] = static_cast<int32_t>(pair.source.size());
    batch.lengths.mutable_data()[row] = static_cast<int32_t>(pair.target.size() + 1);
  }
  return batch;
}

Batch PairBatches::training(int64_t size, int64_t index) const {
  return cut(drawn_rows(options_.seed, index, size, training_));
}

Batch PairBatches::validation(int64_t first, int64_t size) const {
  const auto begin = validation_.begin() + first;
  return cut({begin, begin + std::min(size, validation_rows() - first)});
}

double PairBatches::unigram_entropy() const {
  std::vector<int32_t> targets;
  for (int64_t i = 0; i < training_; ++i) {
    const std::vector<int32_t>& target = pairs_[static_cast<std::size_t>(i)].target;
    targets.insert(targets.end(), target.begin(), target.end());
    targets.push_back(end_token(options_.vocab));
  }
  return tool::unigram_entropy(targets, options_.vocab);
}

std::string PairBatches::description() const {
  std::string text = fmt::format("{} pairs, a tenth to validate", grouped(std::ssize(pairs_)));
  if (left_out_ > 0)
    text += fmt::format("; {} longer than the context of {} left out", grouped(left_out_), options_.context);
  return text;
}

}  // namespace tape::inline TAPE_ABI::tool
