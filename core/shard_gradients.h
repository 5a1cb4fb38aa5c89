// What a thread shares with others while it computes one shard of a batch: where the gradients of parameters go, and
// rounded weights. Known to Tape, Shards and linear layers alone.
#pragma once

#include <atomic>
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
  /// Takes a shard's complete gradient of a parameter. The second one to come for it is summed with the first, and
  /// their sum is set or added; a + b has the same bits as b + a. From any thread.
  void give(const LeafPtr& leaf, Storage gradient);
  /// What came for a parameter once is all there is: sets or adds it. To be called when the shards have ended.
  void finish();
  /// Forgets what has come once.
  void drop();

 private:
  std::mutex mutex_;
  std::vector<LeafPtr> waiting_;  // parameters whose first gradient came; a second may have come since
};

/// While it lives, a tape on this thread gives the gradients of parameters to `gradients`, and linear layers take
/// rounded weights from `weights`.
class ShardScope {
 public:
  /// `threads` is how many this thread may use; it rises when the other shard has ended.
  ShardScope(ShardGradients& gradients, RoundedWeights& weights, const std::atomic<int>& threads);
  ~ShardScope();
  ShardScope(const ShardScope&) = delete;
  ShardScope& operator=(const ShardScope&) = delete;

  static ShardScope* current();

  /// The start of a backward pass on `tape`. False while another tape is being unwound, which collects for this one
  /// too. Throws Error after end(): what was handed over as complete would not have been.
  bool begin(Tape& tape, Where where);
  void end();
  /// Uses the threads that the other shard has left, if it has.
  void use_lent_threads() const;
  /// The tape that is being unwound.
  Tape& tape() const { return *tape_; }
  ShardGradients& gradients() const { return gradients_; }
  RoundedWeights& weights() const { return weights_; }

 private:
  ShardGradients& gradients_;
  RoundedWeights& weights_;
  const std::atomic<int>& threads_;
  Tape* tape_ = nullptr;
  bool ended_ = false;
};

}  // namespace tape::inline TAPE_ABI
