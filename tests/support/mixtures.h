// Feed-forward networks and mixtures for tests, and one pass through them.
#pragma once

#include <functional>
#include <vector>

#include <tape/nn/feed_forward.h>

#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

/// Width 6, hidden width 10, SwiGLU, taps under "mlp".
nn::FeedForwardConfig mixture_config(const nn::MixtureConfig& mixture);

/// A feed-forward with named parameters in ±1.
nn::FeedForward random_feed_forward(const nn::FeedForwardConfig& config, uint64_t seed);

/// The value of f(x), the gradients of x and of all parameters of `mlp` for a random cotangent; zeros for a parameter
/// without one. The parameters' gradients are consumed.
struct Differentiated {
  Tensor y;
  Tensor dx;
  std::vector<Tensor> gradients;
};
Differentiated differentiated(const nn::FeedForward& mlp, const Tensor& x,
                              const std::function<Tensor(const Tensor&)>& f);

/// The auxiliary loss of one pass in training.
Tensor balance_of(const nn::FeedForward& mlp, const Tensor& x);

/// Gives row e of the router of a mixture the values factors[e]: for positive x the score of expert e is that times Σ
/// x.
void set_router(const nn::FeedForward& mlp, std::initializer_list<double> factors);

}  // namespace tape::inline TAPE_ABI::test
