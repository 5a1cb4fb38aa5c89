#include <tape/core/rounded_weights.h>

#include <algorithm>

#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI {

Factor RoundedWeights::room_for(const Leaf& weight) {
  const int64_t out = weight.shape.rows();
  const int64_t in = weight.shape.last();
  if (worth_packing(weight.precision, out, in)) return Factor(PackedMatrix(out, in));
  return {weight.precision, out, in, Storage::of<bf16>(out * in)};
}

int64_t RoundedWeights::pieces(const Factor& factor) {
  if (factor.packed()) return factor.packed().panel_count();
  return (factor.rows() * factor.columns() + elementwise_grain - 1) / elementwise_grain;
}

void RoundedWeights::fill(const Piece& piece) {
  const auto& [weight, factor, number] = piece;
  if (factor->packed()) {
    factor->packed().pack(weight->data(), number);
    return;
  }
  const int64_t begin = number * elementwise_grain;
  round_row(weight->data() + begin, factor->storage().as<bf16>() + begin,
            std::min(elementwise_grain, weight->size() - begin));
}

// One loop over all of them: most weights of a small model are too small to share out.
void RoundedWeights::begin_step() {
  pieces_.clear();
  for (auto& [address, copy] : copies_) {
    const LeafPtr weight = copy.weight.lock();
    if (!weight) continue;
    copy.factor = room_for(*weight);
    for (int64_t i = 0; i < pieces(*copy.factor); ++i) pieces_.push_back({weight.get(), &*copy.factor, i});
  }
  parallel_for(static_cast<int64_t>(pieces_.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) fill(pieces_[static_cast<std::size_t>(i)]);
  });
}

Factor RoundedWeights::of(const LeafPtr& weight) {
  const std::lock_guard lock(mutex_);
  Copy& copy = copies_[weight.get()];
  if (!copy.factor || copy.weight.lock() != weight) {
    copy = {.weight = weight, .factor = room_for(*weight)};
    for (int64_t i = 0; i < pieces(*copy.factor); ++i) fill({weight.get(), &*copy.factor, i});
  }
  copy.asked_for = true;
  return *copy.factor;
}

void RoundedWeights::end_step() {
  std::erase_if(copies_, [](const auto& entry) { return !entry.second.asked_for; });
  for (auto& [address, copy] : copies_) {
    copy.factor = {};
    copy.asked_for = false;
  }
}

}  // namespace tape::inline TAPE_ABI
