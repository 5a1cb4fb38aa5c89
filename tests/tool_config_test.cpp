// Recipes and config.json: what is written is read back, and what is wrong is named.
#include <tape/examples/support/config.h>

#include <limits>

#include "catch.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using tool::Recipe;
using tool::RunConfig;
using tool::ScheduleKind;

namespace {

RunConfig unusual_config() {
  RunConfig c;
  c.model = {.vocab = 77,
             .context = 33,
             .layers = 3,
             .heads = 2,
             .width = 12,
             .hidden = 21,
             .scheme = nn::Scheme::DeepNorm,
             .norm = nn::NormKind::RMS,
             .activation = nn::Activation::SwiGLU,
             .positions = nn::Positions::Rotary,
             .rotary_base = 500,
             .tied = false,
             .bias = false,
             .dropout = 0.1,
             .recompute = true};
  c.model.norm.eps = 1e-6;
  c.recipe = {.steps = 50,
              .batch = 3,
              .accumulate = 2,
              .optimizer = tool::OptimizerKind::AdamW,
              .lr = 0.1 + 0.2,
              .min_lr = 1e-9,
              .schedule = ScheduleKind::WSD,
              .warmup = 7,
              .beta1 = 0.5,
              .beta2 = 0.25,
              .eps = 1e-5,
              .weight_decay = 0.3,
              .decay = tool::DecayKind::Independent,
              .bias_correction = false,
              .ema = 0.875,
              .clip = 0,
              .seed = std::numeric_limits<uint64_t>::max(),
              .precision = Precision::bf16,
              .validation_windows = 11};
  c.reporting = {.log_every = 1, .eval_every = 2, .save_every = 3};
  c.text = {.path = "/books/a \"b\".txt", .characters = 12345, .fingerprint = "0123456789abcdef"};
  return c;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  if (at == std::string::npos) throw Error("nothing to replace: " + from);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("A config is the same after it was written and read", "[tool]") {
  const TempFolder folder;
  const std::string path = folder / "config.json";
  tool::save_config(path, unusual_config());
  const RunConfig c = tool::load_config(path);
  CHECK(tool::to_json(c) == tool::to_json(unusual_config()));
  CHECK(tool::to_json(c) != tool::to_json(RunConfig{}));
  CHECK(c.model.scheme == nn::Scheme::DeepNorm);
  CHECK(c.model.activation == nn::Activation::SwiGLU);
  CHECK_FALSE(c.model.tied);
  CHECK(c.recipe.lr == 0.1 + 0.2);
  CHECK(c.recipe.decay == tool::DecayKind::Independent);
  CHECK_FALSE(c.recipe.bias_correction);
  CHECK(c.recipe.ema == 0.875);
  CHECK(c.recipe.precision == Precision::bf16);  // also where it can not be computed: such a run may be sampled from
  CHECK(c.recipe.seed == std::numeric_limits<uint64_t>::max());
  CHECK(c.recipe.schedule == ScheduleKind::WSD);
  CHECK(c.text.path == "/books/a \"b\".txt");
}

TEST_CASE("A config from before there were precisions is one of f32", "[tool]") {
  const std::string old = replaced(tool::to_json(unusual_config()), ",\n    \"precision\": \"bf16\"", "");
  CHECK(tool::run_config(old, "run/config.json").recipe.precision == Precision::f32);
}

TEST_CASE("A damaged config is refused with its path and the entry", "[tool]") {
  const std::string good = tool::to_json(unusual_config());
  const auto message_of = [](const std::string& json) {
    return error_of([&] { tool::run_config(json, "run/config.json"); });
  };
  const auto message_with = [&](const std::string& from, const std::string& to) {
    return message_of(replaced(good, from, to));
  };
  CHECK(has_parts(message_of(good.substr(0, good.size() / 2)), {"run/config.json", "not valid JSON", "byte"}));
  CHECK(has_parts(message_of(""), {"run/config.json", "not valid JSON"}));
  CHECK(has_parts(message_of("[1]"), {"not the config.json of a run"}));
  CHECK(has_parts(message_with("tapeformer run 1", "something else"), {"not the config.json of a run"}));
  CHECK(has_parts(message_with("\"training\"", "\"trainin\""), {"section \"training\" is missing"}));
  CHECK(has_parts(message_with("\"layers\": 3", "\"layer\": 3"), {"section \"model\"", "\"layers\" is missing"}));
  CHECK(has_parts(message_with("\"layers\": 3", "\"layers\": 3, \"new\": 1"), {"unknown entry \"new\""}));
  CHECK(has_parts(message_with("\"layers\": 3", "\"layers\": \"3\""), {"\"layers\" must be a whole number"}));
  CHECK(has_parts(message_with("\"layers\": 3", "\"layers\": 3.5"), {"\"layers\" must be a whole number"}));
  CHECK(has_parts(message_with("\"layers\": 3", "\"layers\": 99999999999999999999"), {"\"layers\" must be a whole"}));
  CHECK(has_parts(message_with("\"layers\": 3", "\"layers\": 18446744073709551615"), {"\"layers\" must be a whole"}));
  CHECK(has_parts(message_with("\"tied\": false", "\"tied\": 0"), {"\"tied\" must be true or false"}));
  CHECK(has_parts(message_with("\"clip\": 0.0", "\"clip\": null"), {"\"clip\" must be a number"}));
  CHECK(has_parts(message_with("\"deepnorm\"", "\"prae\""), {"scheme", "prae", "post, pre, deepnorm"}));
  CHECK(has_parts(message_with("\"bf16\"", "\"fp8\""), {"precision", "fp8", "f32, bf16, bf16-emulated"}));
  CHECK(has_parts(message_with("\"steps\": 50", "\"steps\": -1"),
                  {"run/config.json, section \"training\": steps must be at least 1"}));
  CHECK(has_parts(message_with("\"width\": 12", "\"width\": 1000000000"), {"GiB of memory", "smaller"}));
  CHECK(has_parts(message_with("\"width\": 12", "\"width\": 1000000000000"), {"width must be at most"}));
  CHECK(has_parts(message_with("\"width\": 12", "\"width\": 33"),
                  {"run/config.json, section \"model\": ", "width 33 must be a positive multiple of heads"}));
  CHECK(has_parts(message_with("\"norm_eps\": 1e-06", "\"norm_eps\": -1"), {"section \"model\": norm_eps must be"}));
  CHECK(has_parts(message_with("\"dropout\": 0.1", "\"dropout\": 1.5"), {"section \"model\": ", "dropout must be"}));
  CHECK(has_parts(message_with("\"log_every\": 1", "\"log_every\": 0"), {"section \"reporting\": log-every must be"}));
}

TEST_CASE("Recipes with values out of range are refused by name", "[tool]") {
  const auto message_of = [](auto&& change) {
    Recipe recipe;
    change(recipe);
    return error_of([&] { tool::check(recipe); });
  };
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(has_parts(message_of([](Recipe& r) { r.steps = 0; }), {"steps", "at least 1", "it is 0"}));
  CHECK(has_parts(message_of([](Recipe& r) { r.batch = 0; }), {"batch", "at least 1"}));
  CHECK(has_parts(message_of([](Recipe& r) { r.accumulate = -1; }), {"accumulate", "it is -1"}));
  CHECK(has_parts(message_of([](Recipe& r) { r.warmup = 2001; }), {"warmup", "2000 steps", "2001"}));
  CHECK(has_parts(message_of([](Recipe& r) { r.lr = 0; }), {"lr must be"}));
  CHECK(has_parts(message_of([](Recipe& r) { r.lr = nan; }), {"lr must be"}));
  CHECK(has_parts(message_of([](Recipe& r) { r.min_lr = 1; }), {"min-lr", "at most lr"}));
  CHECK(has_parts(message_of([](Recipe& r) { r.clip = nan; }), {"clip"}));
  const auto exponential = [](Recipe& r) {
    r.schedule = ScheduleKind::Exponential;
    r.min_lr = 0;
  };
  CHECK(has_parts(message_of(exponential), {"min-lr", "above 0"}));
  CHECK(has_parts(message_of([](Recipe& r) { r.schedule = ScheduleKind::Noam, r.warmup = 0; }), {"warmup", "noam"}));
  CHECK(has_parts(error_of([] { tool::schedule_kind("up"); }), {"schedule", "up", "cosine", "wsd"}));
  CHECK(has_parts(error_of([] { tool::optimizer_kind("adagrad"); }), {"optimizer", "adagrad", "adamw", "muon"}));
}

TEST_CASE("Every schedule warms up to its peak and ends where it says", "[tool]") {
  const auto rate_of = [](ScheduleKind kind) {
    return tool::make_schedule({.steps = 1000, .lr = 0.1, .min_lr = 0.001, .schedule = kind, .warmup = 100});
  };
  struct Expected {
    ScheduleKind kind;
    double half_way, end;  // at step 550, half of what follows the warm-up, and 1000
  };
  const std::vector<Expected> all = {{ScheduleKind::Constant, 0.1, 0.1},
                                     {ScheduleKind::Linear, 0.0505, 0.001},
                                     {ScheduleKind::Cosine, 0.0505, 0.001},
                                     {ScheduleKind::InverseSqrt, 0.1 * std::sqrt(100.0 / 550), 0.1 * std::sqrt(0.1)},
                                     {ScheduleKind::Noam, 0.1 * std::sqrt(100.0 / 551), 0.1 * std::sqrt(100.0 / 1001)},
                                     {ScheduleKind::Step, 0.01, 0.001},
                                     {ScheduleKind::Exponential, 0.01, 0.001},
                                     {ScheduleKind::Polynomial, 0.001 + 0.099 / 4, 0.001},
                                     {ScheduleKind::WSD, 0.1, 0.001}};
  for (const Expected& expected : all) {
    INFO(name_of(expected.kind));
    const optim::Schedule rate = rate_of(expected.kind);
    CHECK(rate(0) == Approx(0.001));
    CHECK(rate(49) == Approx(0.05));
    CHECK(rate(99) == Approx(0.1));
    CHECK(rate(550) == Approx(expected.half_way));
    CHECK(rate(1000) == Approx(expected.end));
    CHECK(tool::schedule_kind(name_of(expected.kind)) == expected.kind);
  }
  CHECK(rate_of(ScheduleKind::WSD)(799) == Approx(0.1));
  CHECK(rate_of(ScheduleKind::WSD)(900) == Approx(0.0505));
}

TEST_CASE("Schedules work without a warm-up, and when the warm-up is all there is", "[tool]") {
  for (const int64_t warmup : {int64_t{0}, int64_t{5}}) {
    for (const auto kind :
         {ScheduleKind::Constant, ScheduleKind::Linear, ScheduleKind::Cosine, ScheduleKind::InverseSqrt,
          ScheduleKind::Step, ScheduleKind::Exponential, ScheduleKind::Polynomial, ScheduleKind::WSD}) {
      INFO(name_of(kind) << ", warm-up " << warmup);
      const optim::Schedule rate =
          tool::make_schedule({.steps = 5, .lr = 0.1, .min_lr = 0.01, .schedule = kind, .warmup = warmup});
      CHECK(rate(warmup == 0 ? 0 : 4) == Approx(0.1));
      for (int64_t step = 0; step < 5; ++step) CHECK((rate(step) > 0 && rate(step) <= 0.1 + 1e-12));
    }
  }
}

TEST_CASE("A fingerprint tells texts apart", "[tool]") {
  CHECK(tool::fingerprint(U"abc") == tool::fingerprint(U"abc"));
  CHECK(tool::fingerprint(U"abc") != tool::fingerprint(U"acb"));
  CHECK(tool::fingerprint(U"abc") != tool::fingerprint(U"abcc"));
  CHECK(tool::fingerprint(U"a\u0161") != tool::fingerprint(U"aa\u0001"));
  CHECK(tool::fingerprint(U"abc").size() == 16);
}

}  // namespace tape::inline TAPE_ABI::test
