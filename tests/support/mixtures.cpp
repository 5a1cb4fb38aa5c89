#include "support/mixtures.h"

#include <algorithm>

#include <tape/core/tape.h>

#include "catch.h"

namespace tape::inline TAPE_ABI::test {

nn::FeedForwardConfig mixture_config(const nn::MixtureConfig& mixture) {
  return {.activation = nn::Activation::SwiGLU, .width = 6, .hidden = 10, .mixture = mixture, .name = "mlp"};
}

nn::FeedForward random_feed_forward(const nn::FeedForwardConfig& config, uint64_t seed) {
  nn::FeedForward mlp(config, {});
  nn::name_parameters(mlp);
  randomize(nn::parameters(mlp), seed, 1);
  return mlp;
}

Differentiated differentiated(const nn::FeedForward& mlp, const Tensor& x,
                              const std::function<Tensor(const Tensor&)>& f) {
  Tape tape;
  const Tensor in = tape.watch(x);
  const Tensor y = f(in);
  tape.backward(y, cotangent(y.shape(), 1));
  Differentiated result{y, tape.grad(in), {}};
  for (const LeafPtr& leaf : nn::parameters(mlp)) {
    result.gradients.push_back(leaf->has_gradient ? leaf->gradient_tensor().copy() : Tensor::zeros(leaf->shape));
    leaf->has_gradient = false;
  }
  return result;
}

Tensor balance_of(const nn::FeedForward& mlp, const Tensor& x) {
  nn::AuxiliaryLosses losses;
  mlp(x, nn::training(1).collecting(losses));
  CHECK(losses.count() == 1);
  return losses.total();
}

void set_router(const nn::FeedForward& mlp, std::initializer_list<double> factors) {
  Leaf& router = *mlp.mixture->router.weight;
  const int64_t width = router.shape.last();
  REQUIRE(router.size() == width * static_cast<int64_t>(factors.size()));
  real* row = router.data();
  for (const double factor : factors) {
    std::fill_n(row, width, static_cast<real>(factor));
    row += width;
  }
}

}  // namespace tape::inline TAPE_ABI::test
