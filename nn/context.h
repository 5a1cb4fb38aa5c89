// Context: what a forward pass needs to know besides its input. Passed explicitly, so that dropout never depends on
// hidden state such as whether a tape is alive.
#pragma once

#include <tape/core/ops/dropout.h>
#include <tape/core/random.h>
#include <tape/core/tape.h>
#include <tape/nn/key_value_cache.h>

namespace tape::inline TAPE_ABI::nn {

/// Losses that modules add to the model's own during one forward pass, such as the balance of a mixture of experts:
///
///   nn::AuxiliaryLosses extra;
///   const Tensor logits = model(ids, nn::training(step).collecting(extra));
///   tape.backward(cross_entropy(logits, target) + extra.total());
class AuxiliaryLosses {
 public:
  void add(const Tensor& loss, Where where = Where::here());
  /// The sum of all, rank 0; zero when there is none.
  Tensor total() const { return sum_ ? sum_ : Tensor::scalar(0); }
  int64_t count() const { return count_; }

 private:
  Tensor sum_;
  int64_t count_ = 0;
};

class Context {
 public:
  Context(bool training, Random random) : training_(training), random_(random) {}

  bool is_training() const { return training_; }
  /// Does dropout with probability p change anything?
  bool drops(double p) const { return training_ && p > 0; }
  /// The source of dropout masks; each use advances it.
  Random& random() const { return random_; }
  /// A context with random numbers of its own, for a part of a model that may be run twice. It collects into the same
  /// place.
  Context fork() const;

  /// This context, with a place for auxiliary losses. They are computed for a context that collects and is training;
  /// without it, and in evaluation, they cost nothing. The tape that records the pass, if any, must be the current one
  /// already; `losses` must live as long as the pass.
  Context collecting(AuxiliaryLosses& losses) const;
  bool collects() const { return losses_ && training_; }
  /// This context, with a cache that the attentions of a causal stack read and extend; it must live as long as passes
  /// with this context. Throws Error in training, and in the pass where attention is not causal.
  Context remembering(KeyValueCache& cache) const;
  KeyValueCache* cache() const { return cache_; }
  /// Positions before those of this pass: 0 without a cache.
  int64_t first_position() const { return cache_ ? cache_->length() : 0; }

  /// Adds a loss; only where collects(). Throws Error when the current tape is not the one of collecting(): then
  /// backward would not see the loss. That is so inside a checkpoint, whose first run is not recorded.
  void collect(const Tensor& loss, Where where = Where::here()) const;

 private:
  bool training_;
  mutable Random random_;
  AuxiliaryLosses* losses_ = nullptr;
  const Tape* tape_ = nullptr;  // current when collecting() was called
  KeyValueCache* cache_ = nullptr;
};

/// Training: dropout is on, and its masks are a pure function of (seed, step).
inline Context training(int64_t step, Seed seed = {}) {
  return {true, Random(seed, static_cast<uint64_t>(step) ^ 0xD509'0000'0000'0000)};
}

/// Evaluation and sampling: dropout is off.
inline Context evaluation() {
  return {false, Random(Seed{})};
}

/// Dropout in training, the identity in evaluation.
inline Tensor dropout(const Tensor& x, double p, const Context& context, Where where = Where::here()) {
  return context.is_training() ? tape::dropout(x, p, context.random(), where) : x;
}

}  // namespace tape::inline TAPE_ABI::nn
