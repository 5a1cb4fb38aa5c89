// Mixture: several networks of which each token uses a few, chosen by a router (Shazeer et al. 2017, arXiv 1701.06538),
// in the form of Mixtral (Jiang et al. 2024, arXiv 2401.04088, section 2.1):
//
//   z = router(x)      T = the per_token largest of z, of equal ones the first      g = softmax over z_e, e ∈ T
//   y = Σ_(e ∈ T) g_e·expert_e(x)
//
// The weights g are those of a softmax over all experts, divided by their sum over T. No expert has a limit, so no
// token is ever dropped, and an expert computes the rows of its own tokens only. With one expert per token its weight
// is 1, and nothing but the load-balancing loss trains the router.
//
// Load-balancing loss, collected where the context collects (Fedus et al. 2021, arXiv 2101.03961, equations 4 to 6):
//
//   balance·E·Σ_e f_e·P_e      f_e = share of expert e among all choices, Σ f_e = 1      P_e = mean of softmax(z)_e
//
// It is `balance` for a router that finds all experts equally probable, whatever per_token is (implementations that sum
// the shares over the choices of a token have per_token times that). f_e is a constant for backward. Each mixture of a
// model adds its own; shares and means are taken over all tokens of one forward pass, padding among them.
//
// An expert that no token chose has no gradient in that step. Its parameters are marked as routed, so that an optimizer
// leaves them as they are, without weight decay and without touching their averages; clipping does not see them.
#pragma once

#include <string>
#include <vector>

#include <tape/nn/context.h>
#include <tape/nn/mlp.h>

namespace tape::inline TAPE_ABI::nn {

struct Mixture {
  MixtureConfig config;
  std::string name;
  Linear router;  ///< (E, C), without bias
  std::vector<MLP> experts;

  /// Throws Error for a config that check() refuses, and for one without experts.
  Mixture(const FeedForwardConfig& config, const WeightInit& init);

  /// x (…, C) → (…, C). Tap: hook_router, softmax(z) (…, E).
  Tensor operator()(const Tensor& x, const Context& context, Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("router", router);
    v("experts", experts);
  }

 private:
  Tensor balance_loss(const Tensor& probabilities, const std::vector<int64_t>& loads, Where where) const;
};

}  // namespace tape::inline TAPE_ABI::nn
