// Gradients of feed-forward and of mixtures of experts against finite differences, with the load-balancing loss.
#include <algorithm>
#include <cmath>

#include <tape/core/ops.h>
#include <tape/core/probe.h>

#include "catch.h"
#include "support/gradcheck.h"
#include "support/mixtures.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Activation;
using nn::FeedForward;

constexpr int64_t width = 6;

// The smallest distance of x from a place where the function has a corner or a jump: a zero before the activation, or
// two scores of the router of which one is chosen and the other is not.
double distance_to_corner(const FeedForward& mlp, const Tensor& x) {
  double smallest = 1;
  {
    const Probe probe([&](const std::string& name, Pass, const Tensor& seen) {
      if (!name.ends_with("hook_pre")) return;
      for (const real v : seen.values()) smallest = std::min(smallest, std::abs(static_cast<double>(v)));
    });
    mlp(x, nn::evaluation());
  }
  if (!mlp.mixture || mlp.mixture->config.per_token == mlp.mixture->config.experts) return smallest;
  const Tensor scores = mlp.mixture->router(x);
  const int64_t k = mlp.mixture->config.per_token;
  const Tensor sorted = gather_last(scores, top_k(scores, k + 1));
  for (int64_t r = 0; r < x.rows(); ++r) {
    const real* row = sorted.data() + r * (k + 1);
    smallest = std::min(smallest, static_cast<double>(row[k - 1] - row[k]));
  }
  return smallest;
}

// The first of some random inputs that is far enough from every corner.
Tensor smooth_input(const FeedForward& mlp, const Shape& shape) {
  for (uint64_t seed = 100; seed < 5000; ++seed) {
    const Tensor x = random_tensor(shape, seed);
    if (distance_to_corner(mlp, x) > 0.01) return x;
  }
  FAIL("no input is far from all corners");
  return {};
}

}  // namespace

TEST_CASE("The gradient of feed-forward agrees for every activation, with a norm inside and without",
          "[gradient][nn][feed_forward]") {
  for (const auto kind : {Activation::ReLU, Activation::GELU, Activation::GELUTanh, Activation::SquaredReLU,
                          Activation::SiLU, Activation::SwiGLU, Activation::GeGLU, Activation::ReGLU}) {
    for (const bool norm_hidden : {false, true}) {
      DYNAMIC_SECTION(nn::name_of(kind) << (norm_hidden ? ", norm inside" : "")) {
        const FeedForward mlp = random_feed_forward(
            {.activation = kind, .width = width, .hidden = 9, .norm_hidden = norm_hidden, .norm = nn::NormKind::RMS},
            1);
        check_gradients([&](const Inputs& in) { return mlp(in[0], nn::evaluation()); },
                        {smooth_input(mlp, {2, 2, width})}, nn::parameters(mlp), {.step = 2e-4});
      }
    }
  }
}

TEST_CASE("The gradient of a mixture agrees, with its load-balancing loss, where no routing changes",
          "[gradient][nn][mixture]") {
  for (const int64_t per_token : {1, 2, 4}) {
    DYNAMIC_SECTION(per_token << " of 4 experts per token") {
      nn::FeedForwardConfig config = mixture_config({.experts = 4, .per_token = per_token, .balance = 0.7});
      config.norm_hidden = true;
      const FeedForward mlp = random_feed_forward(config, 2);
      const Tensor x = smooth_input(mlp, {8, width});
      const auto f = [&](const Inputs& in) {
        nn::AuxiliaryLosses losses;
        const Tensor y = mlp(in[0], nn::training(1).collecting(losses));
        return concatenate({reshape(y, {-1}), reshape(losses.total(), {1})}, 0);
      };
      check_gradients(f, {x}, nn::parameters(mlp), {.step = 2e-4});
    }
  }
}

}  // namespace tape::inline TAPE_ABI::test
