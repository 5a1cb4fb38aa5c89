// Weights rounded to bf16 for both shards of a step. Known to Shards and to linear layers alone.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <tape/core/bf16.h>
#include <tape/core/parameter.h>

namespace tape::inline TAPE_ABI {

class RoundedWeights {
 public:
  /// Rounds the weights that the step before asked for, over all threads.
  void begin_step();
  /// The weight rounded, (out, in): made now if it was not foreseen. From any thread.
  Storage of(const LeafPtr& weight);
  /// Drops the copies: the next step's weights will be others.
  void end_step();

 private:
  struct Copy {
    std::weak_ptr<Leaf> weight;
    Storage rounded = {};
    bool asked_for = false;
  };
  struct Piece {
    const real* from;
    bf16* to;
    int64_t size;
  };
  std::mutex mutex_;
  std::unordered_map<const Leaf*, Copy> copies_;
  std::vector<Piece> pieces_;  // of all weights, while they are rounded
};

}  // namespace tape::inline TAPE_ABI
