// What a thread shares with others while it computes one shard of a batch: where the gradients of parameters go, and
// rounded weights. Known to Tape, Shards and linear layers alone.
#pragma once

#include <mutex>
#include <vector>

#include <tape/core/error.h>
#include <tape/core/parameter.h>
#include <tape/core/rounded_weights.h>

namespace tape::inline TAPE_ABI {

class Tape;

/// The meeting point of the shards: it pairs the gradients that both have for a parameter.
class ShardGradients {
 public:
  /// Takes a shard's complete gradient of a parameter. When both have come their sum is set or added: by the shard that
  /// is ahead, when it comes with its next one, or by the one behind when many wait; a + b has the same bits as b + a.
  /// From any thread.
  void give(const LeafPtr& leaf, Storage gradient);
  /// Sums what is left, over all threads. What came for a parameter once is all there is: sets or adds it. To be called
  /// when the shards have ended.
  void finish();
  /// Forgets what has not been summed.
  void drop();

 private:
  struct Pair {
    LeafPtr leaf;
    Storage first, second;
  };
  void sum_pairs();

  std::mutex mutex_;
  std::vector<LeafPtr> waiting_;  // parameters whose first gradient came; a second may have come since
  std::vector<Pair> pairs_;       // to be summed
};

/// While it lives, a tape on this thread gives the gradients of parameters to `gradients`, and linear layers take
/// rounded weights from `weights`.
class ShardScope {
 public:
  ShardScope(ShardGradients& gradients, RoundedWeights& weights);
  ~ShardScope();
  ShardScope(const ShardScope&) = delete;
  ShardScope& operator=(const ShardScope&) = delete;

  static ShardScope* current();

  /// The start of a backward pass on `tape`. False while another tape is being unwound, which collects for this one
  /// too. Throws Error after end(): what was handed over as complete would not have been.
  bool begin(Tape& tape, Where where);
  void end();
  /// The tape that is being unwound.
  Tape& tape() const { return *tape_; }
  ShardGradients& gradients() const { return gradients_; }
  RoundedWeights& weights() const { return weights_; }

 private:
  ShardGradients& gradients_;
  RoundedWeights& weights_;
  Tape* tape_ = nullptr;
  bool ended_ = false;
};

}  // namespace tape::inline TAPE_ABI
