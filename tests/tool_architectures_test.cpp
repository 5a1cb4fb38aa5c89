// Training of the three architectures by the tool: each learns, goes on bit for bit, weighs every target alike, and
// writes what it has learned.
#include <tape/examples/support/sampling.h>
#include <tape/examples/support/tokenizer.h>
#include <tape/examples/support/trainer.h>

#include <algorithm>
#include <cmath>

#include "catch.h"
#include "support/nn_models.h"
#include "support/temp_folder.h"
#include "support/training.h"

namespace tape::inline TAPE_ABI::test {

using nn::Architecture;
using tool::Pair;
using tool::RunConfig;
using tool::Trainer;

namespace {

constexpr int32_t letters = 6;

// A text in which each letter follows from the two before it, with a new beginning now and then.
std::vector<int32_t> text() {
  const Draw draw(3, 0, 0);
  std::vector<int32_t> tokens{0, 1};
  for (uint64_t i = 0; i < 4000; ++i) {
    const int32_t next = (tokens[tokens.size() - 1] + 2 * tokens[tokens.size() - 2] + 1) % letters;
    tokens.push_back(draw.uniform(2 * i) < 0.02 ? static_cast<int32_t>(draw.below(2 * i + 1, letters)) : next);
  }
  return tokens;
}

// The target is the source, read backwards, with every letter replaced by the next one.
std::vector<Pair> reversals(int count) {
  std::vector<Pair> pairs;
  for (int i = 0; i < count; ++i) {
    const Draw draw(5, 0, static_cast<uint64_t>(i));
    Pair pair;
    for (int64_t t = 0; t < 1 + draw.below(0, 5); ++t)
      pair.source.push_back(static_cast<int32_t>(draw.below(static_cast<uint64_t>(t) + 1, letters)));
    for (auto t = pair.source.rbegin(); t != pair.source.rend(); ++t) pair.target.push_back((*t + 1) % letters);
    pairs.push_back(pair);
  }
  return pairs;
}

struct Problem {
  RunConfig config;
  tool::Corpus corpus;
};

Problem problem_of(Architecture architecture) {
  RunConfig c;
  c.architecture = architecture;
  const bool pairs = architecture == Architecture::EncoderDecoder;
  c.model = {.vocab = letters + (pairs                                       ? 2
                                 : architecture == Architecture::EncoderOnly ? 1
                                                                             : 0),
             .context = 12,
             .layers = 2,
             .heads = 2,
             .width = 32};
  c.recipe.steps = 600;
  c.recipe.batch = 16;
  c.recipe.lr = 5e-3;
  c.recipe.warmup = 20;
  c.recipe.validation_windows = 20;
  c.text.path = "letters";
  if (pairs) return {c, reversals(400)};
  return {c, text()};
}

constexpr Architecture all[] = {Architecture::DecoderOnly, Architecture::EncoderOnly, Architecture::EncoderDecoder};

}  // namespace

TEST_CASE("Each architecture learns more than how frequent its letters are", "[tool][training][slow]") {
  const Threads guard(1);
  for (const Architecture architecture : all) {
    INFO(tool::name_of(architecture));
    const Problem p = problem_of(architecture);
    Trainer trainer(p.config, p.corpus);
    CHECK(trainer.validation_loss() > 0.9 * trainer.data().unigram_entropy());
    train(trainer, 600);
    CHECK(trainer.validation_loss() < 0.5 * trainer.data().unigram_entropy());
  }
}

TEST_CASE("Runs of each architecture go on bit for bit, with dropout and accumulation", "[tool][training]") {
  const Threads guard(1);
  const TempFolder folder;
  for (const Architecture architecture : all) {
    INFO(tool::name_of(architecture));
    Problem p = problem_of(architecture);
    p.config.model.dropout = 0.1;
    p.config.recipe.accumulate = 2;
    Trainer whole(p.config, p.corpus);
    train(whole, 9);
    Trainer first(p.config, p.corpus);
    train(first, 4);
    first.save(folder / "checkpoint");
    Trainer second(p.config, p.corpus);
    second.load(folder / "checkpoint");
    CHECK(second.steps() == 4);
    train(second, 9);
    CHECK(bits(second) == bits(whole));
    CHECK(second.validation_loss() == whole.validation_loss());
  }
}

TEST_CASE("Accumulated batches with different numbers of targets weigh every target alike", "[tool][training]") {
  const Threads guard(1);
  for (const Architecture architecture : {Architecture::EncoderOnly, Architecture::EncoderDecoder}) {
    INFO(tool::name_of(architecture));
    Problem p = problem_of(architecture);
    p.config.recipe.accumulate = 3;
    p.config.recipe.batch = 2;
    Trainer trainer(p.config, p.corpus);
    double sum = 0;
    int64_t targets = 0;
    std::vector<int64_t> counts;
    for (int64_t k = 0; k < 3; ++k) {
      const tool::Batch batch = trainer.data().training(2, k);
      counts.push_back(count_targets(batch.target));
      const Tensor scores = trainer.model()(batch, nn::training(k, Seed{1}));
      sum += static_cast<double>(cross_entropy(scores, batch.target).item()) * static_cast<double>(counts.back());
      targets += counts.back();
    }
    REQUIRE(std::ranges::min(counts) < std::ranges::max(counts));
    CHECK(trainer.step().loss == Approx(sum / static_cast<double>(targets)).epsilon(1e-5));
  }
}

TEST_CASE("A mixture's balance loss trains its router and is not part of the loss that is told", "[tool][training]") {
  const Threads guard(1);
  Problem p = problem_of(Architecture::DecoderOnly);
  p.config.model.mixture = {.experts = 4, .per_token = 1};  // with one expert a token nothing else trains the router
  p.config.recipe.optimizer = tool::OptimizerKind::SGD;
  p.config.recipe.clip = 0;
  p.config.recipe.weight_decay = 0;
  const auto router_moves = [&](double balance) {
    p.config.model.mixture.balance = balance;
    Trainer trainer(p.config, p.corpus);
    const auto router = [&] {
      for (const LeafPtr& leaf : nn::parameters(trainer.model())) {
        if (leaf->name == "blocks.0.mlp.router.weight")
          return std::vector<real>(leaf->data(), leaf->data() + leaf->size());
      }
      return std::vector<real>();
    };
    const std::vector<real> before = router();
    REQUIRE_FALSE(before.empty());
    const double loss = trainer.step().loss;
    return std::pair(router() != before, loss);
  };
  const auto [moved, loss] = router_moves(1);
  const auto [moved_without, loss_without] = router_moves(0);
  CHECK(moved);
  CHECK_FALSE(moved_without);
  CHECK(loss == loss_without);
}

TEST_CASE("A trained encoder-decoder writes the target of a source that it has not seen", "[tool][sampling][slow]") {
  const Threads guard(1);
  const Problem p = problem_of(Architecture::EncoderDecoder);
  Trainer trainer(p.config, p.corpus);
  train(trainer, 600);
  int right = 0;
  const std::vector<Pair> unseen = reversals(440);
  for (std::size_t i = 400; i < 440; ++i) {
    std::vector<int32_t> written;
    tool::translate(trainer.model().as<nn::EncoderDecoder>(), unseen[i].source, {.tokens = 20, .temperature = 0},
                    [&](int32_t token) { written.push_back(token); });
    right += written == unseen[i].target ? 1 : 0;
  }
  CHECK(right >= 36);
}

TEST_CASE("A translation ends at the end token, the context, or the number of tokens asked for", "[tool][sampling]") {
  const Threads guard(1);
  const Problem p = problem_of(Architecture::EncoderDecoder);
  const nn::EncoderDecoder model(p.config.model, Seed{1});
  const auto length = [&](int64_t tokens) {
    int64_t count = 0;
    tool::translate(model, {1, 2}, {.tokens = tokens, .temperature = 3}, [&](int32_t token) {
      REQUIRE(token < letters);  // neither begin nor end
      ++count;
    });
    return count;
  };
  CHECK(length(0) == 0);
  CHECK(length(1) <= 1);
  CHECK(length(1000) <= 12);
  CHECK(has_parts(error_of([&] { tool::translate(model, {}, {}, [](int32_t) {}); }), {"--prompt is empty"}));
  CHECK(has_parts(error_of([&] { tool::translate(model, std::vector<int32_t>(13, 0), {}, [](int32_t) {}); }),
                  {"13 characters", "context of 12"}));
}

TEST_CASE("A trained bert fills gaps, also neighbouring ones, and leaves the rest alone", "[tool][sampling][slow]") {
  const Threads guard(1);
  const Problem p = problem_of(Architecture::EncoderOnly);
  Trainer trainer(p.config, p.corpus);
  train(trainer, 600);
  const nn::Bert& bert = trainer.model().as<nn::Bert>();
  const int32_t mask = tool::mask_token(p.config.model.vocab);
  int right = 0;
  for (int32_t start = 0; start < letters; ++start) {
    std::vector<int32_t> whole{start, (start + 3) % letters};
    while (whole.size() < 12) whole.push_back((whole.back() + 2 * whole[whole.size() - 2] + 1) % letters);
    std::vector<int32_t> gaps = whole;
    gaps[4] = gaps[8] = gaps[9] = mask;
    const std::vector<int32_t> filled = tool::fill_masks(bert, gaps, {.temperature = 0});
    for (const std::size_t t : {0u, 1u, 2u, 3u, 5u, 6u, 7u, 10u, 11u}) REQUIRE(filled[t] == whole[t]);
    for (const std::size_t t : {4u, 8u, 9u}) right += filled[t] == whole[t] ? 1 : 0;
  }
  CHECK(right >= 14);  // of 18
  CHECK(tool::fill_masks(bert, {1, 2, 3}, {}) == std::vector<int32_t>{1, 2, 3});
  CHECK(has_parts(error_of([&] { tool::fill_masks(bert, std::vector<int32_t>(13, mask), {}); }), {"context of 12"}));
}

}  // namespace tape::inline TAPE_ABI::test
