// Schedules of the tool: every name of a recipe, the warm-up that a person asks for, and a run whose rate follows the
// validation loss, which goes on bit for bit.
#include <cmath>
#include <set>

#include <tape/core/safetensors.h>
#include <tape/examples/support/run_folder.h>
#include <tape/examples/support/tokenizer.h>
#include <tape/examples/support/training_run.h>

#include "catch.h"
#include "support/nn_models.h"
#include "support/temp_folder.h"
#include "support/training.h"

namespace tape::inline TAPE_ABI::test {

using tool::Recipe;
using tool::ScheduleKind;

namespace {

Recipe recipe_with(ScheduleKind kind) {
  return {.steps = 1000, .lr = 0.1, .min_lr = 0.001, .schedule = kind, .warmup = 100};
}

// A run whose rate falls a few times: its learning rate is too high to get far.
struct Run {
  std::vector<int32_t> tokens;
  tool::RunConfig config;
};
Run plateau_run() {
  std::u32string text;
  for (int i = 0; i < 700; ++i) text += i % 7 == 0 ? U"ab " : U"cde ";
  const auto tokenizer = tool::CharTokenizer::of(text);
  tool::RunConfig config;
  config.model = {.vocab = tokenizer.size(), .context = 8, .layers = 1, .heads = 1, .width = 4};
  config.recipe = {.steps = 60, .batch = 2, .lr = 0.3, .min_lr = 0.003, .schedule = ScheduleKind::Plateau};
  config.recipe.warmup = 4;
  config.recipe.validation_windows = 4;
  config.reporting = {.log_every = 60, .eval_every = 2, .save_every = 7};
  config.text.path = "text";
  return {tokenizer.encode(text, "text"), config};
}

// As run_training does, without its files.
void train_and_observe(tool::Trainer& trainer, int64_t until, std::vector<double>* rates = nullptr) {
  while (trainer.steps() < until) {
    const double rate = trainer.step().rate;
    if (rates) rates->push_back(rate);
    if (trainer.steps() % 2 == 0) trainer.observe(trainer.validation_loss());
  }
}

}  // namespace

TEST_CASE("every schedule has a name of its own, and its recipe never leaves its range", "[tool][schedule]") {
  std::set<std::string_view> names;
  for (const ScheduleKind kind : tool::schedule_kinds()) {
    INFO(name_of(kind));
    CHECK(names.insert(name_of(kind)).second);
    CHECK(tool::schedule_kind(name_of(kind)) == kind);
    const optim::Schedule rate = tool::make_schedule(recipe_with(kind));
    CHECK(rate(99) == Approx(0.1));
    double highest = 0;
    for (int64_t s = 0; s < 1000; ++s) {
      highest = std::max(highest, rate(s));
      REQUIRE(rate(s) > 0);
      if (s > 0 && s < 100) REQUIRE(rate(s) > rate(s - 1));
    }
    CHECK(highest == Approx(0.1));
  }
  CHECK(names.size() == 16);
}

TEST_CASE("the newer schedules of a recipe end where it says", "[tool][schedule]") {
  for (const ScheduleKind kind : {ScheduleKind::CosineRestarts, ScheduleKind::SquareRoot, ScheduleKind::WSDCosine,
                                  ScheduleKind::WSDSquareRoot, ScheduleKind::WSDExponential, ScheduleKind::OneCycle}) {
    INFO(name_of(kind));
    const optim::Schedule rate = tool::make_schedule(recipe_with(kind));
    CHECK(rate(1000) == Approx(0.001));
    for (const int64_t warmup : {int64_t{0}, int64_t{1}, int64_t{5}}) {
      for (const int64_t steps : {int64_t{5}, int64_t{6}}) {
        Recipe short_run = recipe_with(kind);
        short_run.steps = steps;
        short_run.warmup = warmup;
        const optim::Schedule short_rate = tool::make_schedule(short_run);
        for (int64_t s = 0; s < steps; ++s) CHECK((short_rate(s) > 0 && short_rate(s) <= 0.1));
      }
    }
  }
  const optim::Schedule restarts = tool::make_schedule(recipe_with(ScheduleKind::CosineRestarts));
  CHECK(restarts(100 + 129) == Approx(0.1).epsilon(1e-3));  // after a seventh of 900 steps
  CHECK(restarts(100 + 386) == Approx(0.1).epsilon(1e-3));  // and after two more
  CHECK(tool::make_schedule(recipe_with(ScheduleKind::WSDSquareRoot))(799) == 0.1);
}

TEST_CASE("warm-up and lowest rate have defaults that fit the schedule", "[tool][schedule]") {
  CHECK(tool::default_warmup({.steps = 2000}) == 100);
  CHECK(tool::default_warmup({.steps = 500}) == 50);
  CHECK(tool::default_warmup({.steps = 500, .schedule = ScheduleKind::OneCycle}) == 150);
  CHECK(tool::default_min_lr({.lr = 0.5}) == 0.05);
  CHECK(tool::default_min_lr({.lr = 0.5, .schedule = ScheduleKind::OneCycle}) == 0.5 / 25e4);
}

TEST_CASE("a warm-up is a number of steps or untuned", "[tool][schedule]") {
  const Recipe recipe{.steps = 500, .beta2 = 0.98};
  CHECK(tool::warmup_steps("70", recipe) == 70);
  CHECK(tool::warmup_steps("untuned", recipe) == 100);
  CHECK(tool::warmup_steps("untuned", {.steps = 500, .beta2 = 0.999}) == 500);
  for (const char* text : {"", "tuned", "7.5", "7 ", "99999999999999999999"}) {
    CHECK(has_parts(error_of([&] { tool::warmup_steps(text, recipe); }), {"warmup", "untuned", text}));
  }
  const Recipe sgd{.optimizer = tool::OptimizerKind::SGD};
  CHECK(has_parts(error_of([&] { tool::warmup_steps("untuned", sgd); }), {"warmup", "sgd", "beta2"}));
}

TEST_CASE("recipes that a schedule can not follow are refused", "[tool][schedule]") {
  const auto message_of = [](Recipe recipe) { return error_of([&] { tool::make_schedule(recipe); }); };
  Recipe recipe = recipe_with(ScheduleKind::WSDExponential);
  recipe.min_lr = 0;
  CHECK(has_parts(message_of(recipe), {"min-lr", "above 0", "wsd_exponential"}));
  recipe = recipe_with(ScheduleKind::OneCycle);
  recipe.warmup = -1;
  CHECK(has_parts(message_of(recipe), {"warmup", "at least 0"}));
  recipe.warmup = 1001;
  CHECK(has_parts(message_of(recipe), {"warmup", "not be longer than the run of 1000"}));
}

TEST_CASE("a stopped run with the plateau schedule goes on bit for bit", "[tool][schedule][plateau]") {
  const Threads guard(1);
  const TempFolder folder;
  const Run run = plateau_run();
  tool::Trainer whole(run.config, run.tokens);
  std::vector<double> rates;
  train_and_observe(whole, 60, &rates);
  const std::set<double> different(rates.begin() + 4, rates.end());
  REQUIRE(different.size() >= 3);  // or nothing would be tested
  CHECK(*different.rbegin() == 0.3);
  CHECK(*different.begin() >= 0.003);
  for (const int64_t stop : {1, 13, 30, 59}) {
    tool::Trainer first(run.config, run.tokens);
    train_and_observe(first, stop);
    first.save(folder / "checkpoint");
    tool::Trainer second(run.config, run.tokens);
    train_and_observe(second, 5);  // must leave no trace
    second.load(folder / "checkpoint");
    std::vector<double> rest;
    train_and_observe(second, 60, &rest);
    CHECK(rest == std::vector<double>(rates.begin() + stop, rates.end()));
    CHECK(bits(second) == bits(whole));
  }
}

TEST_CASE("a run cut in two at any step has the files of a whole one", "[tool][schedule][plateau]") {
  const Threads guard(1);
  const TempFolder temp;
  Run run = plateau_run();
  const tool::RunFolder whole(temp / "whole");
  whole.create();
  tool::Trainer trainer(run.config, run.tokens);
  tool::run_training(trainer, whole, tool::Interrupt("stopping"));
  for (const int64_t stop : {7, 20}) {  // at 7 a validation that only the shorter run has
    const tool::RunFolder parts(temp / std::to_string(stop));
    parts.create();
    run.config.recipe.steps = stop;
    tool::Trainer first(run.config, run.tokens);
    tool::run_training(first, parts, tool::Interrupt("stopping"));
    run.config.recipe.steps = 60;
    tool::Trainer second(run.config, run.tokens);
    second.load(parts.checkpoint());
    tool::run_training(second, parts, tool::Interrupt("stopping"));
    CHECK(read_file(parts.model()) == read_file(whole.model()));
    CHECK(read_file(parts.checkpoint()) == read_file(whole.checkpoint()));
  }
}

TEST_CASE("a checkpoint of another kind of schedule changes nothing", "[tool][schedule][plateau]") {
  const Threads guard(1);
  const TempFolder temp;
  const std::string path = temp / "checkpoint";
  Run run = plateau_run();
  tool::Trainer plateau(run.config, run.tokens);
  train_and_observe(plateau, 3);
  plateau.save(path);
  run.config.recipe.schedule = ScheduleKind::Cosine;
  tool::Trainer cosine(run.config, run.tokens);
  const std::string before = bits(cosine);
  CHECK(has_parts(error_of([&] { cosine.load(path); }), {path, "a run with the plateau schedule"}));
  CHECK(bits(cosine) == before);
  cosine.save(path);
  CHECK(has_parts(error_of([&] { plateau.load(path); }), {path, "a run without the plateau schedule"}));
  CHECK(plateau.steps() == 3);
}

}  // namespace tape::inline TAPE_ABI::test
