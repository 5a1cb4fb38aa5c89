// Weights rounded to bf16 for both shards of a step. Known to Shards and to linear layers alone.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include <tape/core/parameter.h>
#include <tape/core/product.h>

namespace tape::inline TAPE_ABI {

class RoundedWeights {
 public:
  /// Rounds the weights that the step before asked for, over all threads.
  void begin_step();
  /// The weight (out, in) as a second factor in its precision: made now if it was not foreseen. From any thread.
  Factor of(const LeafPtr& weight);
  /// Drops the copies: the next step's weights will be others.
  void end_step();

 private:
  struct Copy {
    std::weak_ptr<Leaf> weight;
    std::optional<Factor> factor = {};  // in a step
    bool asked_for = false;
  };
  struct Piece {
    const Leaf* weight;
    const Factor* factor;
    int64_t number;
  };
  static Factor room_for(const Leaf& weight);
  static int64_t pieces(const Factor& factor);
  static void fill(const Piece& piece);

  std::mutex mutex_;
  std::unordered_map<const Leaf*, Copy> copies_;
  std::vector<Piece> pieces_;  // of all weights, while they are rounded
};

}  // namespace tape::inline TAPE_ABI
