// Dropout and recomputation: masks depend on (seed, step) alone, and a second run of a block repeats them.
#include <cmath>

#include <tape/core/probe.h>
#include <tape/core/tape.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

nn::ModelConfig config_with(double dropout, bool recompute = false) {
  return {.vocab = 11, .context = 6, .layers = 3, .heads = 2, .width = 16, .dropout = dropout, .recompute = recompute};
}

nn::GPT gpt_with(const nn::ModelConfig& config) {
  nn::GPT gpt(config, Seed{1});
  randomize(nn::parameters(gpt), 2);
  return gpt;
}

}  // namespace

TEST_CASE("Dropout is off in evaluation", "[nn][dropout]") {
  const Ids ids = random_ids({2, 6}, 11, 3);
  const nn::GPT with = gpt_with(config_with(0.4));
  const nn::GPT without = gpt_with(config_with(0));
  CHECK(same_bits(with(ids, nn::evaluation()), without(ids, nn::evaluation())));
  CHECK(same_bits(without(ids, nn::training(3)), without(ids, nn::evaluation())));
  CHECK_FALSE(same_bits(with(ids, nn::training(3)), with(ids, nn::evaluation())));
}

TEST_CASE("Dropout depends on the context, not on whether a tape is alive", "[nn][dropout]") {
  const Ids ids = random_ids({2, 6}, 11, 3);
  const nn::GPT gpt = gpt_with(config_with(0.4));
  const Tensor off_tape = gpt(ids, nn::training(3));
  const Tensor evaluated = gpt(ids, nn::evaluation());
  Tape tape;
  CHECK(same_bits(gpt(ids, nn::training(3)), off_tape));
  CHECK(same_bits(gpt(ids, nn::evaluation()), evaluated));
}

TEST_CASE("Masks are a function of seed and step", "[nn][dropout]") {
  const Ids ids = random_ids({2, 6}, 11, 3);
  const nn::GPT gpt = gpt_with(config_with(0.4));
  const auto logits = [&](int64_t step, uint64_t seed) { return gpt(ids, nn::training(step, Seed{seed})); };
  const Tensor first = logits(3, 1);
  CHECK_FALSE(same_bits(logits(4, 1), first));
  CHECK_FALSE(same_bits(logits(3, 2), first));
  CHECK(same_bits(logits(3, 1), first));  // also after others were drawn
}

TEST_CASE("Every branch of every layer has a mask of its own", "[nn][dropout]") {
  const nn::GPT gpt = gpt_with(config_with(0.5));
  std::vector<Tensor> masks;
  {
    const Probe probe([&](const std::string& name, Pass, const Tensor& x) {
      if (!name.ends_with("hook_attn_out") && !name.ends_with("hook_mlp_out")) return;
      Tensor mask = x.copy();
      for (int64_t i = 0; i < mask.size(); ++i) mask.mutable_data()[i] = x.data()[i] == 0 ? 0 : 1;
      masks.push_back(mask);
    });
    gpt(random_ids({8, 6}, 11, 3), nn::training(3));
  }
  REQUIRE(masks.size() == 2 * 3);
  const double size = 8 * 6 * 16;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {  // independent masks differ in half of the places
      CHECK(static_cast<double>(different_bits(masks[i], masks[j])) == Approx(size / 2).epsilon(0.2));
    }
  }
}

TEST_CASE("Each use of a context draws another mask", "[nn][dropout]") {
  const nn::Context context = nn::training(0);
  const Tensor ones = Tensor::full({1000}, 1);
  const Tensor a = nn::dropout(ones, 0.5, context);
  const Tensor b = nn::dropout(ones, 0.5, context);
  CHECK(different_bits(a, b) > 400);  // independent masks differ in half of the places
  CHECK(different_bits(a, b) < 600);
  const nn::Context fork = context.fork();
  CHECK(different_bits(nn::dropout(ones, 0.5, fork), nn::dropout(ones, 0.5, context)) > 400);
  CHECK(same_bits(nn::dropout(ones, 0.5, nn::evaluation()), ones));
}

TEST_CASE("Dropout keeps the expected value, and drops the share asked for", "[nn][dropout]") {
  constexpr double p = 0.3;
  constexpr int64_t steps = 2000;
  const Tensor x = random_tensor({50}, 1, 0.5, 2);
  std::vector<double> sum(50);
  int64_t dropped = 0;
  for (int64_t step = 0; step < steps; ++step) {
    const Tensor y = nn::dropout(x, p, nn::training(step));
    for (std::size_t i = 0; i < 50; ++i) {
      sum[i] += y.values()[i];
      dropped += y.values()[i] == 0 ? 1 : 0;
    }
  }
  // Five standard errors, of a variable that is 1/(1-p) with probability 1-p and else 0.
  const double error = 5 * std::sqrt(p / (1 - p) / steps);
  for (std::size_t i = 0; i < 50; ++i) CHECK(sum[i] / steps == Approx(x.values()[i]).epsilon(error));
  CHECK(static_cast<double>(dropped) / (50 * steps) == Approx(p).epsilon(0.02));
}

TEST_CASE("Recomputation changes no bit of loss and gradients, with and without dropout", "[nn][dropout]") {
  for (const double dropout : {0.0, 0.3}) {
    for (const Choice& choice : all_choices()) {
      INFO(choice.name() << ", dropout " << dropout);
      nn::ModelConfig plain = config_with(dropout);
      plain.scheme = choice.scheme;
      plain.norm = choice.norm;
      nn::ModelConfig recomputed = plain;
      recomputed.recompute = true;
      const Ids ids = random_ids({2, 6}, 11, 3);
      const Ids targets = random_ids({2, 6}, 11, 4);
      const StepResult expected = training_step(gpt_with(plain), ids, targets, nn::training(5));
      CHECK(same_bits(training_step(gpt_with(recomputed), ids, targets, nn::training(5)), expected));
      if (dropout > 0) {
        CHECK_FALSE(same_bits(training_step(gpt_with(recomputed), ids, targets, nn::training(6)), expected));
      }
    }
  }
}

TEST_CASE("Recomputation keeps less on the tape", "[nn][dropout]") {
  const Ids ids = random_ids({2, 6}, 11, 3);
  const auto nodes = [&](bool recompute) {
    const nn::GPT gpt = gpt_with(config_with(0, recompute));
    Tape tape;
    gpt(ids, nn::evaluation());
    return tape.size();
  };
  CHECK(nodes(true) < nodes(false) - 3 * 5);
}

}  // namespace tape::inline TAPE_ABI::test
