// Training as a whole: every scheme and norm learns a text, a stopped run goes on bit for bit, the number of threads
// changes nothing, and runs write what they should.
#include <tape/core/onednn.h>
#include <tape/examples/support/tokenizer.h>
#include <tape/examples/support/trainer.h>
#include <tape/examples/support/training_run.h>

#include <cmath>
#include <sstream>

#include "catch.h"
#include "support/nn_models.h"
#include "support/temp_folder.h"
#include "support/training.h"

namespace tape::inline TAPE_ABI::test {

using tool::RunConfig;
using tool::RunFolder;
using tool::Trainer;

namespace {

// A text of short words: characters in a word follow from each other, words come in random order.
std::u32string babble() {
  const std::vector<std::u32string> words = {U"one ",   U"sky ",  U"blue ", U"hat ",
                                             U"green ", U"jam\n", U"fix ",  U"pod "};
  const Draw draw(7, 0, 0);
  std::u32string text;
  for (uint64_t i = 0; text.size() < 6000; ++i) text += words[static_cast<std::size_t>(draw.below(i, 8))];
  return text;
}

struct Problem {
  std::vector<int32_t> tokens;
  RunConfig config;
};

Problem small_problem() {
  const std::u32string text = babble();
  const auto tokenizer = tool::CharTokenizer::of(text);
  RunConfig config;
  config.model = {.vocab = tokenizer.size(), .context = 12, .layers = 2, .heads = 2, .width = 16};
  config.recipe.steps = 20;
  config.recipe.batch = 4;
  config.recipe.warmup = 5;
  config.recipe.validation_windows = 10;
  config.reporting = {.log_every = 2, .eval_every = 8, .save_every = 10};
  config.text.path = "babble";
  return {tokenizer.encode(text, "babble"), config};
}

std::vector<std::string> lines_of(const std::string& path) {
  std::istringstream in(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line.substr(0, line.find(",\"tokens_per_s\"")));
  return lines;
}

}  // namespace

TEST_CASE("Every scheme with every norm learns a text", "[tool][training]") {
  const Threads guard(1);
  Problem problem = small_problem();
  problem.config.recipe.steps = 150;
  problem.config.recipe.lr = 1e-2;
  for (const Choice& choice : all_choices()) {
    INFO(choice.name());
    problem.config.model.scheme = choice.scheme;
    problem.config.model.norm = choice.norm;
    Trainer trainer(problem.config, problem.tokens);
    const double before = trainer.validation_loss();
    train(trainer, 150);
    const double after = trainer.validation_loss();
    const double unigrams = trainer.data().unigram_entropy();
    CHECK(before > unigrams);
    CHECK(after < unigrams / 2);  // one random choice among eight words for four to six characters
  }
}

TEST_CASE("A stopped run goes on bit for bit", "[tool][training]") {
  const Threads guard(1);
  const TempFolder folder;
  for (const auto kind : {tool::OptimizerKind::AdamW, tool::OptimizerKind::Adam, tool::OptimizerKind::SGD}) {
    Problem problem = small_problem();
    problem.config.recipe.optimizer = kind;
    problem.config.recipe.accumulate = 2;
    problem.config.model.dropout = 0.2;
    Trainer whole(problem.config, problem.tokens);
    train(whole, 20);

    Trainer first(problem.config, problem.tokens);
    train(first, 9);
    first.save(folder / "checkpoint");
    Trainer second(problem.config, problem.tokens);
    train(second, 3);  // must leave no trace
    second.load(folder / "checkpoint");
    CHECK(second.steps() == 9);
    CHECK(bits(second) == bits(first));
    train(second, 20);
    CHECK(bits(second) == bits(whole));
    CHECK(second.validation_loss() == whole.validation_loss());
    CHECK(bits(whole) != bits(first));
  }
}

TEST_CASE("A run has the same bits with any number of threads, and others with another seed", "[tool][training]") {
  const auto trained = [](int threads, uint64_t seed) {
    const Threads guard(threads);
    Problem problem = small_problem();
    problem.config.recipe.seed = seed;
    problem.config.model.dropout = 0.1;
    Trainer trainer(problem.config, problem.tokens);
    train(trainer, 3);
    return bits(trainer) + std::to_string(trainer.validation_loss());
  };
  const std::string one = trained(1, 1);
  for (const int threads : {2, 3, 4}) CHECK(trained(threads, 1) == one);
  CHECK(trained(1, 2) != one);
}

TEST_CASE("In emulated bf16 a stopped run goes on bit for bit, with any number of threads", "[tool][training]") {
  Problem problem = small_problem();
  problem.config.recipe.precision = Precision::bf16_emulated;
  problem.config.model.dropout = 0.1;
  std::string whole;
  {
    const Threads one(1);
    Trainer trainer(problem.config, problem.tokens);
    train(trainer, 12);
    whole = bits(trainer);
    Trainer exact(small_problem().config, problem.tokens);
    train(exact, 12);
    CHECK(bits(exact) != whole);
  }
  const TempFolder folder;
  for (const int threads : {2, 3, 4}) {
    const Threads several(threads);
    Trainer first(problem.config, problem.tokens);
    train(first, 5);
    first.save(folder / "checkpoint");
    Trainer second(problem.config, problem.tokens);
    second.load(folder / "checkpoint");
    train(second, 12);
    CHECK(bits(second) == whole);
  }
}

TEST_CASE("Emulated bf16 learns as f32 does", "[tool][training]") {
  const Threads guard(1);
  Problem problem = small_problem();
  problem.config.recipe.steps = 120;
  problem.config.recipe.lr = 3e-3;
  Trainer exact(problem.config, problem.tokens);
  problem.config.recipe.precision = Precision::bf16_emulated;
  Trainer rounded(problem.config, problem.tokens);
  const double before = exact.validation_loss();
  for (const int64_t steps : {30, 60, 90, 120}) {
    train(exact, steps);
    train(rounded, steps);
    INFO("after " << steps << " steps");
    CHECK(std::abs(rounded.validation_loss() - exact.validation_loss()) < 0.02);
  }
  CHECK(exact.validation_loss() < before - 1);
}

TEST_CASE("A run in bf16 is refused at once where the processor has none", "[tool][training]") {
  if (onednn::has_bf16()) return;
  Problem problem = small_problem();
  problem.config.recipe.precision = Precision::bf16;
  CHECK(has_parts(error_of([&] { Trainer(problem.config, problem.tokens); }), {"precision bf16", "bf16-emulated"}));
}

TEST_CASE("Accumulated batches make the step of their mean gradient", "[tool][training]") {
  const Threads guard(1);
  Problem problem = small_problem();
  problem.config.recipe.optimizer = tool::OptimizerKind::SGD;
  problem.config.recipe.clip = 0;
  problem.config.recipe.accumulate = 2;
  Trainer accumulating(problem.config, problem.tokens);
  const tool::StepResult result = accumulating.step();

  // The same windows in one batch of twice the size.
  Trainer one(problem.config, problem.tokens);
  const tool::Batch a = one.data().training(4, 0);
  const tool::Batch b = one.data().training(4, 1);
  const auto join = [](const Ids& x, const Ids& y) {
    Ids both({8, 12});
    std::ranges::copy(x.values(), both.mutable_data());
    std::ranges::copy(y.values(), both.mutable_data() + x.size());
    return both;
  };
  const StepResult together = training_step(one.model().as<nn::GPT>(), join(a.input, b.input), join(a.target, b.target),
                                            nn::training(0, Seed{1}));
  double squares = 0;
  for (const Tensor& gradient : together.gradients) {
    for (const real g : gradient.values()) squares += static_cast<double>(g) * static_cast<double>(g);
  }
  CHECK(result.loss == Approx(static_cast<double>(together.loss.item())).epsilon(1e-5));
  CHECK(result.gradient_norm == Approx(std::sqrt(squares)).epsilon(1e-4));
}

TEST_CASE("A step that is asked to stop between its batches leaves no trace", "[tool][training]") {
  Problem problem = small_problem();
  problem.config.recipe.accumulate = 4;
  problem.config.recipe.ema = 0.9;
  problem.config.model.dropout = 0.1;
  Trainer stopped(problem.config, problem.tokens), plain(problem.config, problem.tokens);
  for (int step = 0; step < 3; ++step) {
    for (int batches = 0; batches < 4; ++batches) {
      CAPTURE(step, batches);
      int asked = 0;
      CHECK(stopped.step(nullptr, [&] { return asked++ == batches; }).stopped);
      CHECK(asked == batches + 1);
      CHECK(stopped.steps() == step);
    }
    const tool::StepResult whole = stopped.step(nullptr, [] { return false; });
    const tool::StepResult expected = plain.step();
    CHECK_FALSE(whole.stopped);
    CHECK(whole.loss == expected.loss);
    CHECK(whole.gradient_norm == expected.gradient_norm);
    CHECK(whole.tokens == expected.tokens);
  }
  const TempFolder folder;
  stopped.save(folder / "stopped");
  plain.save(folder / "plain");
  CHECK(read_file(folder / "stopped") == read_file(folder / "plain"));
}

TEST_CASE("A checkpoint of another model or optimizer, or a damaged one, changes nothing", "[tool][training]") {
  const Threads guard(1);
  const TempFolder folder;
  const std::string path = folder / "checkpoint";
  Problem problem = small_problem();
  Trainer trainer(problem.config, problem.tokens);
  train(trainer, 2);
  trainer.save(path);

  const auto message_of = [&](const auto& change) {
    Problem other = problem;
    change(other.config);
    Trainer target(other.config, other.tokens);
    const std::string before = bits(target);
    const std::string message = error_of([&] { target.load(path); });
    CHECK(bits(target) == before);
    CHECK(target.steps() == 0);
    return message;
  };
  CHECK(has_parts(message_of([](RunConfig& c) { c.model.width = 8; }), {path, "another model"}));
  CHECK(has_parts(message_of([](RunConfig& c) { c.model.layers = 3; }), {path, "another model", "blocks.2"}));
  CHECK(has_parts(message_of([](RunConfig& c) { c.model.layers = 1; }), {path, "another model", "more tensors"}));
  CHECK(has_parts(message_of([](RunConfig& c) { c.recipe.optimizer = tool::OptimizerKind::SGD; }), {"sgd", "another"}));

  CHECK(has_parts(message_of([](RunConfig& c) { c.recipe.seed = 7; }), {path, "another run", "-1 instead of ", "-7"}));
  CHECK(has_parts(message_of([](RunConfig& c) { c.text.fingerprint = "f00d"; }), {path, "another run", "f00d-"}));

  const std::string good = read_file(path);
  write_file(path, good.substr(0, good.size() / 2));
  CHECK(has_parts(message_of([](RunConfig&) {}), {path}));
  nn::save(path, trainer.model());
  CHECK(has_parts(message_of([](RunConfig&) {}), {path, "not a checkpoint"}));
}

TEST_CASE("A trainer refuses what can not work", "[tool][training]") {
  const auto message_of = [](const auto& change) {
    Problem problem = small_problem();
    change(problem);
    return error_of([&] { Trainer(problem.config, problem.tokens); });
  };
  CHECK(has_parts(message_of([](Problem& p) { p.config.model.heads = 3; }), {"width 16", "heads 3"}));
  CHECK(has_parts(message_of([](Problem& p) { p.tokens.resize(120); }), {"babble is too short", "context of 12"}));
  CHECK(has_parts(message_of([](Problem& p) { p.config.model.dropout = 1; }), {"dropout"}));
  CHECK(has_parts(message_of([](Problem& p) { p.config.recipe.beta2 = 1; }), {"beta2"}));
  CHECK(has_parts(message_of([](Problem& p) { p.config.recipe.weight_decay = -1; }), {"weight_decay"}));
  CHECK(has_parts(message_of([](Problem& p) { p.config.reporting.log_every = 0; }), {"log-every"}));
}

TEST_CASE("A loss that is not finite stops a run before it spoils the model", "[tool][training]") {
  const Threads guard(1);
  const TempFolder temp;
  const RunFolder folder(temp.path());
  Problem problem = small_problem();
  problem.config.recipe.optimizer = tool::OptimizerKind::SGD;
  problem.config.recipe.lr = 1e30;
  problem.config.recipe.clip = 0;
  problem.config.recipe.warmup = 0;
  Trainer trainer(problem.config, problem.tokens);
  const tool::RunResult result = tool::run_training(trainer, folder, tool::Interrupt("stopping"));
  CHECK(result.end == tool::RunResult::End::diverged);
  CHECK_FALSE(result.last.finite);
  CHECK(trainer.steps() < 20);
  const std::string last = lines_of(folder.metrics()).back();
  CHECK(has_parts(last, {"\"step\":" + std::to_string(trainer.steps() + 1)}));
  CHECK(has_parts(last, {"null"}));
}

TEST_CASE("A run writes its files, and a continued one the same ones", "[tool][training]") {
  const Threads guard(1);
  const TempFolder temp;
  const RunFolder whole(temp / "whole");
  const RunFolder parts(temp / "parts");
  whole.create();
  parts.create();
  const Problem problem = small_problem();
  Trainer trainer(problem.config, problem.tokens);
  CHECK(tool::run_training(trainer, whole, tool::Interrupt("stopping")).end == tool::RunResult::End::finished);
  const std::vector<std::string> lines = lines_of(whole.metrics());
  REQUIRE(lines.size() == 11);  // steps 0, 2, 4 … 20
  CHECK(has_parts(lines[0], {"{\"step\":0,\"val_loss\":"}));
  CHECK(has_parts(lines[1], {"{\"step\":2,\"loss\":", "\"lr\":", "\"grad_norm\":"}));
  CHECK(lines[1].find("val_loss") == std::string::npos);
  CHECK(has_parts(lines[4], {"{\"step\":8,", "\"val_loss\":"}));
  CHECK(has_parts(lines[10], {"{\"step\":20,", "\"val_loss\":"}));

  // Lost after step 8, with a checkpoint of step 7.
  Trainer first(problem.config, problem.tokens);
  train(first, 7);
  first.save(parts.checkpoint());
  write_file(parts.metrics(), read_file(whole.metrics()).substr(0, read_file(whole.metrics()).find("{\"step\":10")));
  Trainer second(problem.config, problem.tokens);
  second.load(parts.checkpoint());
  CHECK(tool::run_training(second, parts, tool::Interrupt("stopping")).end == tool::RunResult::End::finished);
  CHECK(lines_of(parts.metrics()) == lines);
  CHECK(read_file(parts.model()) == read_file(whole.model()));
  CHECK(read_file(parts.checkpoint()) == read_file(whole.checkpoint()));
}

}  // namespace tape::inline TAPE_ABI::test
