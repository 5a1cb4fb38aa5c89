// Watching a run: every number against a direct computation, nothing about the run changed, and a log that goes on.
#include <tape/core/ops.h>
#include <tape/examples/support/training_run.h>
#include <tape/optim/clip.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "catch.h"
#include "support/nn_models.h"
#include "support/temp_folder.h"
#include "support/training.h"

namespace tape::inline TAPE_ABI::test {

using nn::Architecture;
using tool::RunConfig;
using tool::RunFolder;
using tool::Trainer;
using tool::Watch;
using tool::WatchRecord;

namespace {

struct Problem {
  RunConfig config;
  tool::Corpus corpus;
};

Problem problem_of(Architecture architecture) {
  const bool pairs = architecture == Architecture::EncoderDecoder;
  RunConfig c;
  c.architecture = architecture;
  c.model = {.vocab = pairs ? 8 : 7, .context = 12, .layers = 2, .heads = 2, .width = 16};
  c.recipe.steps = 12;
  c.recipe.batch = 4;
  c.recipe.lr = 1e-2;
  c.recipe.warmup = 2;
  c.recipe.clip = 0.5;
  c.recipe.validation_windows = 4;
  c.reporting = {.log_every = 2, .eval_every = 6, .save_every = 5, .watch_every = 4};
  c.text.path = "letters";
  const Draw draw(3, 0, 0);
  if (pairs) {
    std::vector<tool::Pair> list;
    for (uint64_t i = 0; i < 60; ++i) {
      const auto at = [&](uint64_t t) { return static_cast<int32_t>(draw.below(8 * i + t, 6)); };
      list.push_back({{at(0), at(1), at(2)}, {at(2), at(1)}});
    }
    return {c, list};
  }
  std::vector<int32_t> tokens;
  for (uint64_t i = 0; i < 900; ++i) tokens.push_back(static_cast<int32_t>(draw.below(i, 6)));
  return {c, tokens};
}

double square(real x) {
  return static_cast<double>(x) * static_cast<double>(x);
}

std::size_t place(const std::vector<std::string>& names, const std::string& name) {
  const auto at = std::ranges::find(names, name);
  REQUIRE(at != names.end());
  return static_cast<std::size_t>(at - names.begin());
}

LeafPtr leaf_of(const Trainer& trainer, const std::string& name) {
  for (const LeafPtr& leaf : nn::parameters(trainer.model())) {
    if (leaf->name == name) return leaf;
  }
  FAIL("there is no " << name);
  return nullptr;
}

void fill(const LeafPtr& leaf, double value) {
  std::fill_n(leaf->data(), leaf->size(), static_cast<real>(value));
}

// Recomputation may add gradients in another order.
bool close(const std::vector<double>& a, const std::vector<double>& b) {
  return std::ranges::equal(a, b, [](double x, double y) { return x == Approx(y).epsilon(1e-4); });
}

// The record of the step that trainer `t` would make, thoroughly.
WatchRecord examined(Trainer& t) {
  Watch watch(t.model());
  t.examine(watch);
  return watch.record();
}

}  // namespace

TEST_CASE("A record has what a direct computation finds", "[tool][watch]") {
  const Threads guard(1);
  Problem p = problem_of(Architecture::DecoderOnly);
  p.config.model.norm = nn::NormKind::RMS;
  Trainer trainer(p.config, p.corpus);
  Trainer direct(p.config, p.corpus);
  Watch watch(trainer.model());
  train(trainer, 3);
  train(direct, 3);
  const tool::StepResult result = trainer.step(&watch);
  const WatchRecord& r = watch.record();
  CHECK(r.step == 4);
  CHECK(r.parts == std::vector<std::string>{"embedding", "blocks.0", "blocks.1", "head"});
  CHECK(r.layers == std::vector<std::string>{"blocks.0", "blocks.1"});
  CHECK_FALSE(r.first_non_finite);

  // The same step by hand.
  const tool::Batch batch = direct.data().training(4, 3);
  std::map<std::string, double> rms;
  {
    const Probe probe([&](const std::string& name, Pass pass, const Tensor& x) {
      if (pass == Pass::backward || !name.ends_with("hook_resid_post")) return;
      double sum = 0;
      for (const real v : x.values()) sum += square(v);
      rms[name.substr(0, 8)] = std::sqrt(sum / static_cast<double>(x.size()));
    });
    Tape tape;
    tape.backward(cross_entropy(direct.model()(batch, nn::training(3, Seed{1})), batch.target));
  }
  std::map<std::string, double> gradient, change, size;
  double all = 0;
  for (const LeafPtr& leaf : nn::parameters(direct.model())) {
    const std::string part = leaf->name.starts_with("blocks.")                  ? leaf->name.substr(0, 8)
                             : leaf->name.find("embedding") < leaf->name.size() ? "embedding"
                                                                                : "head";
    const real* after = leaf_of(trainer, leaf->name)->data();
    for (int64_t i = 0; i < leaf->size(); ++i) {
      gradient[part] += square(leaf->gradient_data()[i]);
      all += square(leaf->gradient_data()[i]);
      if (leaf->shape.rank() < 2) continue;
      change[part] += square(after[i] - leaf->data()[i]);
      size[part] += square(leaf->data()[i]);
    }
  }
  for (std::size_t i = 0; i < r.parts.size(); ++i) {
    INFO(r.parts[i]);
    CHECK(r.gradient_norm[i] == Approx(std::sqrt(gradient[r.parts[i]])).epsilon(1e-5));
    CHECK(r.gradient_non_finite[i] == 0);
    if (r.parts[i] == "head") {
      CHECK(std::isnan(r.update_ratio[i]));  // a norm only: the head is tied
    } else {
      CHECK(r.update_ratio[i] == Approx(std::sqrt(change[r.parts[i]] / size[r.parts[i]])).epsilon(1e-4));
      CHECK(r.update_ratio[i] > 1e-5);
    }
  }
  CHECK(result.gradient_norm == Approx(std::sqrt(all)).epsilon(1e-5));
  CHECK(result.gradient_norm > 0.5);  // above the clipping, which the record comes before
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(r.residual_rms[i] == Approx(rms[r.layers[i]]).epsilon(1e-5));
    CHECK(r.non_finite[i] == 0);
    CHECK(std::isfinite(r.max_logit[i]));
  }
  CHECK(r.max_cross_logit.empty());

  // Gains as the step began with them.
  CHECK(r.gains.size() == 5);
  const std::size_t gain = place(r.gains, "blocks.1.mlp_residual.norm_input");
  const LeafPtr weight = leaf_of(direct, "blocks.1.mlp_residual.norm_input.weight");
  double sum = 0;
  for (int64_t i = 0; i < weight->size(); ++i) sum += square(weight->data()[i]);
  CHECK(r.gain_rms[gain] == Approx(std::sqrt(sum / static_cast<double>(weight->size()))));
  CHECK(r.gain_min[gain] == static_cast<double>(*std::min_element(weight->data(), weight->data() + weight->size())));
  CHECK(r.gain_max[gain] == static_cast<double>(*std::max_element(weight->data(), weight->data() + weight->size())));
  CHECK(r.gain_min[gain] < r.gain_max[gain]);
}

TEST_CASE("Watching changes no bit of any model, and with recomputation all counts once", "[tool][watch][slow]") {
  const Threads guard(2);
  struct Variant {
    const char* name;
    void (*change)(RunConfig&);
  };
  const Variant variants[] = {
      {"plain", [](RunConfig&) {}},
      {"dropout and accumulation", [](RunConfig& c) { c.model.dropout = 0.1, c.recipe.accumulate = 3; }},
      {"experts", [](RunConfig& c) { c.model.mixture = {.experts = 3, .per_token = 1, .balance = 0}; }},
      {"balanced experts", [](RunConfig& c) { c.model.mixture = {.experts = 3, .per_token = 2, .balance = 0.1}; }},
      {"bf16", [](RunConfig& c) { c.recipe.precision = Precision::bf16_emulated; }},
      {"rezero", [](RunConfig& c) { c.model.scheme = nn::Scheme::ReZero; }},
      {"resi-dual", [](RunConfig& c) { c.model.scheme = nn::Scheme::ResiDual; }},
      {"parallel", [](RunConfig& c) { c.model.scheme = nn::Scheme::Parallel; }},
      {"dyt, relative",
       [](RunConfig& c) { c.model.norm = nn::NormKind::DyT, c.model.positions = nn::Positions::RelativeBias; }},
      {"schedule-free", [](RunConfig& c) { c.recipe.optimizer = tool::OptimizerKind::ScheduleFree; }}};
  for (const Architecture architecture :
       {Architecture::DecoderOnly, Architecture::EncoderOnly, Architecture::EncoderDecoder}) {
    for (const Variant& variant : variants) {
      INFO(tool::name_of(architecture) << ", " << variant.name);
      Problem p = problem_of(architecture);
      variant.change(p.config);
      std::vector<WatchRecord> records;
      for (const bool recompute : {false, true}) {
        if (recompute && p.config.model.mixture.balance > 0 && p.config.model.mixture.experts > 0) continue;  // refused
        p.config.model.recompute = recompute;
        Trainer alone(p.config, p.corpus);
        train(alone, 3);
        Trainer watched(p.config, p.corpus);
        Watch watch(watched.model());
        while (watched.steps() < 3) {
          watched.step(&watch);
          watched.examine(watch);  // must leave no trace either
        }
        CHECK((bits(watched) == bits(alone)));  // in brackets: bytes are no message
        records.push_back(watch.record());
      }
      CHECK_FALSE(records[0].first_non_finite);
      CHECK(close(records[0].residual_rms, records.back().residual_rms));
      CHECK(close(records[0].gradient_norm, records.back().gradient_norm));
      CHECK(close(records[0].max_logit, records.back().max_logit));
      for (const double logit : records[0].max_logit) CHECK(std::isfinite(logit));
      const bool pairs = architecture == Architecture::EncoderDecoder;
      CHECK(records[0].layers.size() == (pairs ? 4u : 2u));
      REQUIRE(records[0].max_cross_logit.size() == (pairs ? 4u : 0u));
      if (pairs) {
        CHECK(records[0].layers[2] == "decoder.blocks.0");
        CHECK(std::isinf(records[0].max_cross_logit[1]));  // an encoder has none
        CHECK(std::isfinite(records[0].max_cross_logit[2]));
      }
    }
  }
}

TEST_CASE("Gains are those of norms and of residual branches", "[tool][watch]") {
  const Threads guard(1);
  const auto gains_of = [](const auto& change) {
    Problem p = problem_of(Architecture::DecoderOnly);
    change(p.config.model);
    Trainer trainer(p.config, p.corpus);
    return examined(trainer);
  };
  const WatchRecord rezero = gains_of([](nn::ModelConfig& m) { m.scheme = nn::Scheme::ReZero; });
  CHECK(rezero.gains.size() == 4);  // no norms
  CHECK(rezero.gain_max[place(rezero.gains, "blocks.0.attn_residual.branch_gain")] == 0);
  const WatchRecord offset = gains_of([](nn::ModelConfig& m) {
    m.norm = nn::NormKind::RMS;
    m.norm.unit_offset = true;
  });
  for (const double gain : offset.gain_rms) CHECK(gain == 1);
  const WatchRecord dyt = gains_of([](nn::ModelConfig& m) { m.norm = nn::NormKind::DyT; });
  CHECK(dyt.gain_rms[place(dyt.gains, "blocks.1.attn_residual.norm_input.alpha")] == 0.5);
}

TEST_CASE("A failed step's record says where the first number was not finite", "[tool][watch]") {
  const Threads guard(1);
  using Values = std::vector<std::pair<std::string, double>>;
  const auto record_with = [](const Values& values) {
    const Problem p = problem_of(Architecture::DecoderOnly);
    Trainer trainer(p.config, p.corpus);
    for (const auto& [name, value] : values) fill(leaf_of(trainer, name), value);
    return examined(trainer);
  };
  const auto first = [&](const Values& values) {
    const tool::NonFinite place = record_with(values).first_non_finite;
    return place.kind + " " + place.name;
  };
  CHECK(first({{"blocks.0.mlp.up.weight", 0}}) == " ");
  CHECK(first({{"blocks.1.mlp.down.weight", NAN}}) == "weight blocks.1.mlp.down.weight");
  const Values in_mlp{{"blocks.1.mlp.up.bias", 100}, {"blocks.1.mlp.down.weight", 3e38}};
  CHECK(first(in_mlp) == "activation blocks.1.hook_mlp_out");
  CHECK(first({{"blocks.0.attn.qkv.bias", 100}, {"blocks.0.attn.out.weight", 3e38}}) ==
        "activation blocks.0.hook_attn_out");

  // Shares by layer: from the second one on.
  const WatchRecord r = record_with(in_mlp);
  CHECK(r.non_finite[0] == 0);
  CHECK(r.non_finite[1] > 0.5);
  CHECK(r.gradient_non_finite[1] > 0);
  CHECK(std::isnan(r.gradient_norm[1]));
}

TEST_CASE("A watched run logs its first, some, and its last steps, and goes on with the same lines", "[tool][watch]") {
  const Threads guard(1);
  const TempFolder temp;
  const RunFolder whole(temp / "whole"), parts(temp / "parts");
  whole.create();
  parts.create();
  const Problem p = problem_of(Architecture::DecoderOnly);
  Trainer trainer(p.config, p.corpus);
  CHECK(tool::run_training(trainer, whole, tool::Interrupt("stopping")).end == tool::RunResult::End::finished);
  const std::vector<WatchRecord> records = tool::read_watch(whole.watch());
  std::vector<int64_t> steps;
  for (const WatchRecord& r : records) steps.push_back(r.step);
  CHECK(steps == std::vector<int64_t>{1, 4, 8, 12});

  // Lost after step 8, with a checkpoint of step 5.
  Trainer first(p.config, p.corpus);
  train(first, 5);
  first.save(parts.checkpoint());
  first.save(temp / "five");
  const std::string all = read_file(whole.watch());
  write_file(parts.watch(), all.substr(0, all.find("{\"step\":8") + 30));
  Trainer second(p.config, p.corpus);
  second.load(parts.checkpoint());
  tool::run_training(second, parts, tool::Interrupt("stopping"));
  CHECK(read_file(parts.watch()) == all);
  CHECK((bits(second) == bits(trainer)));

  // Without watching, what was made again is gone from the log.
  Problem off = p;
  off.config.reporting.watch_every = 0;
  Trainer third(off.config, off.corpus);
  third.load(temp / "five");
  tool::run_training(third, parts, tool::Interrupt("stopping"));
  CHECK(read_file(parts.watch()) == all.substr(0, all.find("{\"step\":8")));
}

TEST_CASE("A watched run that diverges says where", "[tool][watch]") {
  const Threads guard(1);
  const TempFolder temp;
  const RunFolder folder(temp.path());
  Problem p = problem_of(Architecture::DecoderOnly);
  p.config.recipe.optimizer = tool::OptimizerKind::SGD;
  p.config.recipe.lr = 1e30;
  p.config.recipe.clip = 0;
  p.config.recipe.warmup = 0;
  Trainer trainer(p.config, p.corpus);
  const tool::RunResult result = tool::run_training(trainer, folder, tool::Interrupt("stopping"));
  REQUIRE(result.end == tool::RunResult::End::diverged);
  CHECK(result.first_non_finite);
  const WatchRecord last = tool::read_watch(folder.watch()).back();
  CHECK(last.step == trainer.steps() + 1);
  CHECK(last.first_non_finite.kind == result.first_non_finite.kind);
  CHECK(last.first_non_finite.name == result.first_non_finite.name);
  CHECK(std::isnan(last.update_ratio[1]));  // there was no update
}

TEST_CASE("A damaged watch.jsonl is named with its line", "[tool][watch]") {
  const TempFolder temp;
  const std::string path = temp / "watch.jsonl";
  const WatchRecord good{.step = 1,
                         .parts = {"a"},
                         .gradient_norm = {NAN},
                         .gradient_non_finite = {0},
                         .update_ratio = {0.25},
                         .first_non_finite = {"activation", "blocks.0.\"hook\""}};
  tool::WatchLog(path, -1).write(good);
  const std::string line = read_file(path);
  const std::vector<WatchRecord> read = tool::read_watch(path);
  REQUIRE(read.size() == 1);
  CHECK(read[0].parts == good.parts);
  CHECK(std::isnan(read[0].gradient_norm[0]));
  CHECK(read[0].update_ratio == good.update_ratio);
  CHECK(read[0].first_non_finite.name == good.first_non_finite.name);

  const auto message = [&](const std::string& second) {
    write_file(path, line + second + "\n");
    return error_of([&] { tool::read_watch(path); });
  };
  CHECK(has_parts(message("{\"step\":2"), {path, "line 2", "damaged"}));
  CHECK(has_parts(message("{\"step\":2}"), {path, "line 2", "\"parts\" is missing"}));
  CHECK(has_parts(message(std::string(line).replace(line.find("[0.25]"), 6, "[1,2]").substr(0, line.size() - 2)),
                  {path, "line 2", "2 numbers for 1 names"}));
  CHECK(has_parts(message(std::string(line).replace(line.find("[0.25]"), 6, "[\"x\"]").substr(0, line.size() - 2)),
                  {"line 2", "numbers and null"}));
  std::string other = line.substr(0, line.size() - 1);
  CHECK(has_parts(message(other.replace(other.find("\"a\""), 3, "\"b\"")), {"line 2", "another model"}));
  write_file(path, line + "{\"step\":2");  // about to be written
  CHECK(tool::read_watch(path).size() == 1);
}

}  // namespace tape::inline TAPE_ABI::test
