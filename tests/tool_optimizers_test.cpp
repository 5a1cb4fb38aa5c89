// Every optimizer that a recipe can name, and the average of weights, in the tool's training.
#include <tape/core/atomic_file.h>
#include <tape/examples/support/files.h>
#include <tape/examples/support/training_run.h>

#include "catch.h"
#include "support/nn_models.h"
#include "support/temp_folder.h"
#include "support/training.h"

namespace tape::inline TAPE_ABI::test {

using tool::OptimizerKind;
using tool::Recipe;
using tool::RunConfig;
using tool::Trainer;

namespace {

constexpr OptimizerKind all_kinds[] = {OptimizerKind::SGD,       OptimizerKind::Adam,  OptimizerKind::AdamW,
                                       OptimizerKind::RAdam,     OptimizerKind::NAdam, OptimizerKind::Lion,
                                       OptimizerKind::Adafactor, OptimizerKind::Muon,  OptimizerKind::ScheduleFree,
                                       OptimizerKind::LAMB};

RunConfig config_of(OptimizerKind kind) {
  RunConfig config;
  config.model = {.vocab = 9, .context = 12, .layers = 2, .heads = 2, .width = 16};
  const tool::OptimizerDefaults defaults = tool::defaults_of(kind);
  Recipe& r = config.recipe;
  r.optimizer = kind;
  r.lr = 4 * defaults.lr;  // a short run
  r.min_lr = r.lr / 10;
  r.beta1 = defaults.beta1;
  r.beta2 = defaults.beta2;
  r.eps = defaults.eps;
  r.weight_decay = defaults.weight_decay;
  if (kind == OptimizerKind::ScheduleFree) r.schedule = tool::ScheduleKind::Constant;
  r.steps = 150;
  r.batch = 8;
  r.warmup = 10;
  r.validation_windows = 10;
  config.reporting = {.log_every = 10, .eval_every = 10, .save_every = 10};
  config.text.path = "counting";
  return config;
}

// 0 1 2 … 8 0 1 …, now and then beginning anew.
std::vector<int32_t> tokens() {
  const Draw draw(7, 0, 0);
  std::vector<int32_t> list;
  for (uint64_t i = 0; i < 3000; ++i) {
    const bool anew = list.empty() || draw.below(i, 20) == 0;
    list.push_back(anew ? static_cast<int32_t>(draw.below(10000 + i, 9)) : (list.back() + 1) % 9);
  }
  return list;
}

std::vector<Tensor> values(const Trainer& trainer) {
  std::vector<Tensor> list;
  for (const LeafPtr& leaf : nn::parameters(trainer.model())) list.push_back(value_of(leaf).copy());
  return list;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) { return same_bits(x, y); });
}

}  // namespace

TEST_CASE("Every optimizer of the tool learns to count with its own defaults, scaled up for a short run",
          "[tool][training][slow]") {
  const Threads guard(1);
  for (const OptimizerKind kind : all_kinds) {
    INFO(name_of(kind));
    CHECK(tool::optimizer_kind(name_of(kind)) == kind);
    Trainer trainer(config_of(kind), tokens());
    const double before = trainer.validation_loss();
    train(trainer, 150);
    CHECK(trainer.validation_loss() < 0.55 * before);
  }
}

TEST_CASE("A stopped run with any optimizer or an average of weights goes on bit for bit", "[tool][training]") {
  const Threads guard(1);
  const TempFolder folder;
  for (const OptimizerKind kind : all_kinds) {
    for (const double ema : {0.0, 0.9}) {
      if (ema > 0 && kind == OptimizerKind::ScheduleFree) continue;
      INFO(name_of(kind) << ", ema " << ema);
      RunConfig config = config_of(kind);
      config.recipe.ema = ema;
      Trainer whole(config, tokens());
      train(whole, 14);
      Trainer first(config, tokens());
      train(first, 6);
      first.save(folder / "checkpoint");
      Trainer second(config, tokens());
      train(second, 3);  // must leave no trace
      second.load(folder / "checkpoint");
      CHECK(same(values(second), values(first)));
      CHECK(second.validation_loss() == first.validation_loss());
      train(second, 14);
      CHECK(same(values(second), values(whole)));
      CHECK(second.validation_loss() == whole.validation_loss());
    }
  }
}

TEST_CASE("With an average of weights it is the average that is validated and saved", "[tool][training]") {
  const Threads guard(1);
  const TempFolder temp;
  const tool::RunFolder folder(temp.path());
  RunConfig config = config_of(OptimizerKind::AdamW);
  config.recipe.steps = 20;
  Trainer plain(config, tokens());
  train(plain, 20);
  config.recipe.ema = 0.9;
  Trainer averaged(config, tokens());
  CHECK(tool::run_training(averaged, folder, tool::Interrupt("stopping")).end == tool::RunResult::End::finished);
  CHECK(same(values(averaged), values(plain)));  // training is the same
  CHECK(averaged.validation_loss() != plain.validation_loss());
  std::vector<Tensor> shown;
  {
    const auto scope = averaged.evaluation();
    shown = values(averaged);
  }
  CHECK_FALSE(same(shown, values(averaged)));
  const nn::GPT loaded(config.model, Seed{5});
  nn::load(folder.model(), loaded);
  std::vector<Tensor> saved;
  for (const LeafPtr& leaf : nn::parameters(loaded)) saved.push_back(value_of(leaf));
  CHECK(same(saved, shown));
}

TEST_CASE("A checkpoint with an average of weights, or without, fits only a run of its kind", "[tool][training]") {
  const Threads guard(1);
  const TempFolder folder;
  RunConfig config = config_of(OptimizerKind::AdamW);
  RunConfig with = config;
  with.recipe.ema = 0.9;
  Trainer plain(config, tokens());
  Trainer averaged(with, tokens());
  train(plain, 3);
  train(averaged, 3);
  plain.save(folder / "plain");
  averaged.save(folder / "averaged");
  const double before = averaged.validation_loss();
  CHECK(has_parts(error_of([&] { averaged.load(folder / "plain"); }), {"missing: ema.updates"}));
  CHECK(has_parts(error_of([&] { plain.load(folder / "averaged"); }), {"unexpected: ema."}));
  CHECK(averaged.validation_loss() == before);

  with.recipe.optimizer = OptimizerKind::Lion;  // whose state does not fit, after that of the average did
  Trainer other(with, tokens());
  train(other, 2);
  const double loss = other.validation_loss();
  CHECK(has_parts(error_of([&] { other.load(folder / "averaged"); }), {"lion", "another kind of optimizer"}));
  CHECK(other.validation_loss() == loss);
}

TEST_CASE("A recipe whose options of the optimizer contradict each other is refused", "[tool]") {
  const auto message_of = [](auto&& change) {
    Recipe recipe;
    change(recipe);
    return error_of([&] { tool::check(recipe); });
  };
  CHECK(has_parts(message_of([](Recipe& r) {
                    r.optimizer = OptimizerKind::Lion;
                    r.decay = tool::DecayKind::Independent;
                  }),
                  {"decay independent is for adamw, not for lion"}));
  CHECK(has_parts(message_of([](Recipe& r) {
                    r.optimizer = OptimizerKind::Muon;
                    r.bias_correction = false;
                  }),
                  {"only adam and adamw", "muon"}));
  CHECK(has_parts(message_of([](Recipe& r) { r.ema = 1; }), {"ema must be", "below 1", "it is 1"}));
  CHECK(has_parts(message_of([](Recipe& r) {
                    r.optimizer = OptimizerKind::ScheduleFree;
                    r.ema = 0.9;
                  }),
                  {"ema is not for schedule-free"}));
  CHECK(has_parts(error_of([] { tool::decay_kind("some"); }), {"decay", "some", "coupled, independent"}));
}

}  // namespace tape::inline TAPE_ABI::test
