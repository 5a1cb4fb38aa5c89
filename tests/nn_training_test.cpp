// Whole training steps: every scheme can learn a batch by heart, a repeated step takes no memory from the system, and
// the number of threads changes no bit.
#include <tape/core/ops/loss.h>
#include <tape/core/storage.h>
#include <tape/core/tape.h>
#include <tape/nn/gpt.h>
#include <tape/optim/adam.h>
#include <tape/optim/clip.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

double train(const nn::GPT& gpt, optim::Optimizer& optimizer, const Ids& ids, const Ids& targets, int64_t step,
             double rate) {
  Tape tape;
  const Tensor loss = cross_entropy(gpt(ids, nn::training(step)), targets);
  tape.backward(loss);
  optim::clip_grad_norm(optimizer, 1.0);
  optimizer.step(rate);
  return loss.item();
}

// Four sequences of eight tokens out of 11, each with steps of its own. No two begin alike, and none with a token twice
// in a row, which a model without absolute positions could not tell from the token alone.
Ids sequences() {
  Ids ids({4, 8});
  for (int32_t row = 0; row < 4; ++row) {
    for (int32_t t = 0; t < 8; ++t) ids.mutable_data()[row * 8 + t] = (3 * row + t * (row + 1)) % 11;
  }
  return ids;
}

}  // namespace

TEST_CASE("A model of any scheme and norm learns one batch by heart", "[nn][training][no-asan]") {
  const Threads guard(1);  // small work: on a busy machine threads would wait for each other
  const Ids ids = sequences();
  const Ids targets = random_ids({4, 8}, 11, 2);
  for (const Choice& choice : all_choices()) {
    INFO(choice.name());
    const nn::GPT gpt(
        {.vocab = 11, .context = 8, .layers = 2, .heads = 2, .width = 32, .scheme = choice.scheme, .norm = choice.norm},
        Seed{1});
    optim::AdamW adamw(nn::parameters(gpt), {.weight_decay = 0});
    const double before = train(gpt, adamw, ids, targets, 0, 5e-3);
    double after = before;
    for (int64_t step = 1; step < 300; ++step) after = train(gpt, adamw, ids, targets, step, 5e-3);
    CHECK(before > 1.5);
    CHECK(after < 0.05);
  }
}

TEST_CASE("Every activation and kind of positions learns one batch by heart", "[nn][training][slow]") {
  const Threads guard(1);
  const Ids ids = sequences();
  const Ids targets = random_ids({4, 8}, 11, 2);
  const auto learns = [&](nn::ModelConfig config) {
    config.vocab = 11;
    config.context = 8;
    config.layers = 2;
    config.heads = 2;
    config.width = 32;
    const nn::GPT gpt(config, Seed{1});
    optim::AdamW adamw(nn::parameters(gpt), {.weight_decay = 0});
    double loss = 0;
    for (int64_t step = 0; step < 300; ++step) loss = train(gpt, adamw, ids, targets, step, 5e-3);
    CHECK(loss < 0.05);
  };
  for (const auto kind :
       {nn::Activation::ReLU, nn::Activation::GELU, nn::Activation::GELUTanh, nn::Activation::SwiGLU}) {
    INFO(nn::name_of(kind));
    learns({.activation = kind});
  }
  for (const auto positions : {nn::Positions::Learned, nn::Positions::Sinusoidal, nn::Positions::Rotary}) {
    INFO(nn::name_of(positions));
    learns({.positions = positions, .tied = false, .bias = false});
  }
}

TEST_CASE("From the third step on training takes no memory from the system", "[nn][training][slow]") {
  for (const bool recompute : {false, true}) {
    INFO("recompute " << recompute);
    const nn::GPT gpt({.vocab = 65, .dropout = 0.1, .recompute = recompute}, Seed{1});
    optim::AdamW adamw(nn::parameters(gpt));
    const Ids ids = random_ids({4, 64}, 65, 1);
    const Ids targets = random_ids({4, 64}, 65, 2);
    int64_t taken = 0;
    std::size_t in_use = 0;
    for (int64_t step = 0; step < 6; ++step) {
      if (step == 2) {
        taken = pool_stats().system_allocations;
        in_use = pool_stats().bytes_in_use;
      }
      train(gpt, adamw, ids, targets, step, 1e-3);
    }
    CHECK(pool_stats().system_allocations == taken);
    CHECK(pool_stats().bytes_in_use == in_use);  // and gives back all it took from the pool
  }
}

TEST_CASE("The number of threads changes no bit of the loss and of any gradient", "[nn][training][no-asan]") {
  const Ids ids = random_ids({12, 64}, 65, 1);
  const Ids targets = random_ids({12, 64}, 65, 2);
  for (const double dropout : {0.0, 0.1}) {
    const nn::GPT gpt({.vocab = 65, .dropout = dropout}, Seed{1});
    const auto result = [&](int count) {
      const Threads guard(count);
      return training_step(gpt, ids, targets, nn::training(1));
    };
    const StepResult one = result(1);
    for (int count = 2; count <= 4; ++count) {
      INFO(count << " threads, dropout " << dropout);
      const StepResult many = result(count);
      CHECK(same_bits(many.loss, one.loss));
      for (std::size_t i = 0; i < one.gradients.size(); ++i) {
        INFO(nn::parameters(gpt)[i]->name);
        CHECK(same_bits(many.gradients[i], one.gradients[i]));
      }
    }
  }
}

TEST_CASE("The number of threads changes no bit of a run of training", "[nn][training][no-asan]") {
  const Ids ids = random_ids({5, 32}, 65, 1);
  const auto values = [&](int count) {
    const Threads guard(count);
    const nn::GPT gpt({.vocab = 65, .context = 32, .layers = 2, .width = 64, .dropout = 0.1}, Seed{1});
    optim::AdamW adamw(nn::parameters(gpt));
    for (int64_t step = 0; step < 5; ++step) train(gpt, adamw, ids, ids, step, 1e-2);
    return gpt(ids, nn::evaluation());
  };
  const Tensor one = values(1);
  for (int count = 2; count <= 4; ++count) {
    INFO(count << " threads");
    CHECK(same_bits(values(count), one));
  }
}

}  // namespace tape::inline TAPE_ABI::test
