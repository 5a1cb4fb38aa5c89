#include <tape/core/rounded_weights.h>

#include <algorithm>

#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI {

// One loop over all of them: most weights of a small model are too small to share out.
void RoundedWeights::begin_step() {
  pieces_.clear();
  for (auto& [address, copy] : copies_) {
    const LeafPtr weight = copy.weight.lock();
    if (!weight) continue;
    copy.rounded = Storage::of<bf16>(weight->size());
    for (int64_t i = 0; i < weight->size(); i += elementwise_grain) {
      pieces_.push_back(
          {weight->data() + i, copy.rounded.as<bf16>() + i, std::min(elementwise_grain, weight->size() - i)});
    }
  }
  parallel_for(static_cast<int64_t>(pieces_.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces_[static_cast<std::size_t>(i)];
      round_to_bf16(piece.from, piece.to, piece.size);
    }
  });
}

Storage RoundedWeights::of(const LeafPtr& weight) {
  const std::lock_guard lock(mutex_);
  Copy& copy = copies_[weight.get()];
  if (!copy.rounded || copy.weight.lock() != weight) {
    copy = {.weight = weight, .rounded = Storage::of<bf16>(weight->size())};
    round_to_bf16(weight->data(), copy.rounded.as<bf16>(), weight->size());
  }
  copy.asked_for = true;
  return copy.rounded;
}

void RoundedWeights::end_step() {
  std::erase_if(copies_, [](const auto& entry) { return !entry.second.asked_for; });
  for (auto& [address, copy] : copies_) {
    copy.rounded = {};
    copy.asked_for = false;
  }
}

}  // namespace tape::inline TAPE_ABI
