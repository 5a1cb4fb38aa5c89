// Mixtures of experts in training: the load-balancing loss and how it reaches the loss, experts without tokens, and
// what is learnt.
#include <algorithm>
#include <cmath>
#include <set>

#include <tape/core/checkpoint.h>
#include <tape/core/ops.h>
#include <tape/optim/adam.h>
#include <tape/optim/clip.h>
#include <tape/optim/sgd.h>

#include "catch.h"
#include "support/mixtures.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::FeedForward;

constexpr int64_t width = 6;

}  // namespace

TEST_CASE("The load-balancing loss by hand", "[nn][mixture]") {
  // Scores of two tokens for two experts: ±s. Both choose expert 0, p_0 = 1/(1 + e^(-2s)).
  const FeedForward mlp = random_feed_forward(mixture_config({.experts = 2, .per_token = 1, .balance = 0.5}), 14);
  set_router(mlp, {0.25, -0.25});
  const Tensor x = Tensor::full({2, width}, 0.4f);
  const double p = 1 / (1 + std::exp(-2 * 0.25 * 0.4 * static_cast<double>(width)));
  CHECK(balance_of(mlp, x).item() == Approx(0.5 * 2 * p).epsilon(1e-6));
}

TEST_CASE("A uniform router has the load-balancing loss 1·balance, a one-sided one up to E/k times that",
          "[nn][mixture]") {
  for (const int64_t per_token : {1, 2, 3}) {
    const FeedForward mlp =
        random_feed_forward(mixture_config({.experts = 6, .per_token = per_token, .balance = 0.125}), 15);
    const Tensor x = random_tensor({50, width}, 16, 0.5, 1);
    set_router(mlp, {0, 0, 0, 0, 0, 0});
    CHECK(balance_of(mlp, x).item() == Approx(0.125).epsilon(1e-6));
    set_router(mlp, {50, per_token > 1 ? 50.0 : 0.0, per_token > 2 ? 50.0 : 0.0, 0, 0, 0});
    CHECK(balance_of(mlp, x).item() == Approx(0.125 * 6 / static_cast<double>(per_token)).epsilon(1e-6));
  }
}

TEST_CASE("Auxiliary losses are collected in training, only when asked for", "[nn][mixture]") {
  const FeedForward mlp = random_feed_forward(mixture_config({.experts = 4}), 17);
  const FeedForward dense = random_feed_forward({.width = width, .hidden = 10}, 18);
  const FeedForward unbalanced = random_feed_forward(mixture_config({.experts = 4, .balance = 0}), 19);
  CHECK(mlp.has_auxiliary_losses());
  CHECK_FALSE(dense.has_auxiliary_losses());
  CHECK_FALSE(unbalanced.has_auxiliary_losses());
  const Tensor x = random_tensor({9, width}, 20);

  nn::AuxiliaryLosses losses;
  CHECK(losses.total().item() == 0);
  mlp(x, nn::evaluation().collecting(losses));
  dense(x, nn::training(1).collecting(losses));
  unbalanced(x, nn::training(1).collecting(losses));
  mlp(x, nn::training(1));
  CHECK(losses.count() == 0);

  const nn::Context context = nn::training(1).collecting(losses);
  mlp(x, context);
  const real once = losses.total().item();
  CHECK(once > 0);
  mlp(x, context.fork());  // a fork collects into the same place
  CHECK(losses.count() == 2);
  CHECK(losses.total().item() == 2 * once);
}

TEST_CASE("Collecting changes no bit of the output and records the loss on the tape", "[nn][mixture]") {
  const FeedForward mlp = random_feed_forward(mixture_config({.experts = 4}), 21);
  const Tensor x = random_tensor({9, width}, 22);
  Tape plain;
  const Tensor y = mlp(x, nn::training(1));
  const int64_t nodes = plain.size();
  Tape tape;
  nn::AuxiliaryLosses losses;
  CHECK(same_bits(mlp(x, nn::training(1).collecting(losses)), y));
  CHECK(tape.size() > nodes);
  tape.backward(losses.total());
  const ParameterList parameters = nn::parameters(mlp);
  CHECK(parameters[0]->has_gradient);  // the router; no expert takes part in the balance
  CHECK(std::none_of(parameters.begin() + 1, parameters.end(), [](const LeafPtr& leaf) { return leaf->has_gradient; }));
  parameters[0]->has_gradient = false;
}

TEST_CASE("Inside a checkpoint an auxiliary loss is refused, and all else of a mixture works", "[nn][mixture]") {
  const FeedForward mlp = random_feed_forward(mixture_config({.experts = 4}), 23);
  const Tensor x = random_tensor({9, width}, 24);
  const auto run = [&](const nn::Context& context) {
    return checkpoint([&mlp, context](const Tensor& in) { return mlp(in, context); }, x);
  };
  {
    Tape tape;
    nn::AuxiliaryLosses losses;
    CHECK(has_parts(error_of([&] { run(nn::training(1).collecting(losses)); }),
                    {"auxiliary loss", "recomputation", "nn_mixture_training_test.cpp"}));
    CHECK(losses.count() == 0);
  }
  const Differentiated plain = differentiated(mlp, x, [&](const Tensor& in) { return mlp(in, nn::training(1)); });
  const Differentiated again = differentiated(mlp, x, [&](const Tensor& in) {
    return checkpoint([&mlp](const Tensor& t) { return mlp(t, nn::training(1)); }, in);
  });
  CHECK(same_bits(plain.y, again.y));
  CHECK(same_bits(plain.dx, again.dx));
  for (std::size_t i = 0; i < plain.gradients.size(); ++i) CHECK(same_bits(plain.gradients[i], again.gradients[i]));
}

TEST_CASE("An expert without tokens has no gradient, and every optimizer leaves it as it is", "[nn][mixture]") {
  const FeedForward mlp = random_feed_forward(mixture_config({.experts = 3, .per_token = 1}), 25);
  const Tensor x = random_tensor({12, width}, 26, 0.5, 1);
  const ParameterList parameters = nn::parameters(mlp);
  const auto step = [&](optim::Optimizer& optimizer) {
    Tape tape;
    const Tensor y = mlp(x, nn::training(1));
    tape.backward(mean(y * y));
    const double norm = optim::clip_grad_norm(optimizer, 0.01);
    CHECK(std::isfinite(norm));
    CHECK(norm > 0.01);
    optimizer.step(0.1);
  };
  const auto changed = [&](optim::Optimizer& optimizer) {
    std::vector<Tensor> before;
    for (const LeafPtr& leaf : parameters) before.push_back(value_of(leaf).copy());
    step(optimizer);
    std::set<std::string> experts;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (!same_bits(before[i], value_of(parameters[i]))) experts.insert(parameters[i]->name.substr(0, 9));
    }
    experts.erase("router.we");  // it decays; with one expert per token its gradient is zero
    return experts;
  };
  optim::AdamW adamw(parameters, {.weight_decay = 0});
  optim::AdamW decaying(parameters, {.weight_decay = 0.5});
  optim::SGD momentum(parameters, {.momentum = 0.9, .weight_decay = 0.5});
  using Names = std::set<std::string>;
  for (optim::Optimizer* optimizer : std::initializer_list<optim::Optimizer*>{&adamw, &decaying, &momentum}) {
    INFO(optimizer->name());
    set_router(mlp, {-1, 1, -1});
    CHECK(changed(*optimizer) == Names{"experts.1"});
    set_router(mlp, {-1, -1, 1});  // expert 1 has averages by now: they and its decay wait for its next token
    CHECK(changed(*optimizer) == Names{"experts.2"});
  }
}

TEST_CASE("A mixture learns a mapping, and its load becomes even", "[nn][mixture]") {
  const Threads guard(1);
  const nn::FeedForwardConfig config = mixture_config({.experts = 4, .per_token = 2, .balance = 0.05});
  const FeedForward mlp(config, {.base = nn::xavier_normal()});
  nn::initialize(mlp, Seed{1});
  Leaf& router = *mlp.mixture->router.weight;  // at first nearly all tokens go to experts 0 and 1
  std::for_each_n(router.data(), 2 * width, [](real& w) { w += real{0.75}; });
  const Tensor x = random_tensor({64, width}, 32, -0.5, 1);
  const Tensor target = tape::tanh(scale(matmul(x, random_tensor({width, width}, 33)), 2));
  optim::AdamW adamw(nn::parameters(mlp), {.weight_decay = 0});
  double first_error = 0;
  double error = 0;
  double first_balance = 0;
  double balance = 0;
  for (int64_t step = 0; step < 300; ++step) {
    Tape tape;
    nn::AuxiliaryLosses losses;
    const Tensor apart = mlp(x, nn::training(step).collecting(losses)) - target;
    const Tensor loss = mean(apart * apart);
    tape.backward(loss + losses.total());
    optim::clip_grad_norm(adamw, 1.0);
    adamw.step(1e-2);
    error = loss.item();
    balance = losses.total().item();
    if (step == 0) first_error = error;
    if (step == 0) first_balance = balance;
  }
  CHECK(error < 0.02 * first_error);
  CHECK(first_balance > 1.2 * config.mixture.balance);
  CHECK(balance < 1.1 * config.mixture.balance);
}

}  // namespace tape::inline TAPE_ABI::test
