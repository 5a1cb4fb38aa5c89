// Context: what a forward pass needs to know besides its input. Passed explicitly, so that dropout never depends on
// hidden state such as whether a tape is alive.
#pragma once

#include <tape/core/ops/dropout.h>
#include <tape/core/random.h>

namespace tape::inline TAPE_ABI::nn {

class Context {
 public:
  Context(bool training, Random random) : training_(training), random_(random) {}

  bool is_training() const { return training_; }
  /// The source of dropout masks; each use advances it.
  Random& random() const { return random_; }
  /// A context with random numbers of its own, for a part of a model that may be run twice.
  Context fork() const { return {training_, random_.fork()}; }

 private:
  bool training_;
  mutable Random random_;
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
