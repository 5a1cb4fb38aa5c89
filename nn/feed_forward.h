// Feed-forward: the same network at every position, or a mixture of several.
#pragma once

#include <optional>

#include <tape/nn/mixture.h>

namespace tape::inline TAPE_ABI::nn {

struct FeedForward {
  double dropout_p;
  std::optional<MLP> dense;        ///< one network, or
  std::optional<Mixture> mixture;  ///< several, where the config has experts

  /// Throws Error for a config that check() refuses.
  FeedForward(const FeedForwardConfig& config, const WeightInit& init);

  /// x (…, C) → (…, C), with dropout on the result.
  Tensor operator()(const Tensor& x, const Context& context, Where where = Where::here()) const {
    return added({}, x, context, where);
  }
  /// residual (…, C) + that, as one op with the last product where nothing comes between; no residual adds nothing.
  Tensor added(const Tensor& residual, const Tensor& x, const Context& context, Where where = Where::here()) const;
  /// True when a pass in training computes a loss of its own, which a context must collect (context.h) and which can
  /// not be computed inside a checkpoint.
  bool has_auxiliary_losses() const { return mixture && mixture->config.balance > 0; }

  void visit(auto&& v) const {
    if (dense) dense->visit(v);
    if (mixture) mixture->visit(v);
  }
};

}  // namespace tape::inline TAPE_ABI::nn
