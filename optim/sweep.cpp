#include <tape/optim/sweep.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

int64_t chunks_of(const Leaf& leaf) {
  return (leaf.size() + elementwise_grain - 1) / elementwise_grain;
}

}  // namespace

Sweep::Sweep(const ParameterList& parameters) {
  int64_t elements = 0;
  for (const LeafPtr& leaf : parameters) {
    if (!takes_part(*leaf)) continue;
    chunks_ += chunks_of(*leaf);
    elements += leaf->size();
  }
  if (elements > 0) grain_ = std::max<int64_t>(1, chunks_ * elementwise_grain / elements);

  list_ = Storage::of<Chunk>(chunks_);
  Chunk* next = list_.as<Chunk>();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Leaf& leaf = *parameters[i];
    if (!takes_part(leaf)) continue;
    for (int64_t begin = 0; begin < leaf.size(); begin += elementwise_grain) {
      *next++ = {static_cast<int64_t>(i), begin, std::min(begin + elementwise_grain, leaf.size())};
    }
  }
}

}  // namespace tape::inline TAPE_ABI::optim
