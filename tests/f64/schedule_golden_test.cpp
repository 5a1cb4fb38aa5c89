// Schedules that rise again, the further options of the simple ones, and Plateau: against PyTorch's schedulers and the
// definitions of Hugging Face, optax, timm and MiniCPM, in every one of 100 steps (tests/golden/schedules.py).
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include <tape/core/safetensors.h>
#include <tape/optim/plateau.h>
#include <tape/optim/schedule_cycles.h>

#include "catch.h"

namespace tape::inline TAPE_ABI::test {

using namespace optim;

namespace {

const SafetensorsFile& golden() {
  static const SafetensorsFile file = SafetensorsFile::open(TAPE_GOLDEN_DIR "/schedules.safetensors");
  return file;
}

Schedule wsd(DecayShape up, DecayShape down) {
  return warmup(20, 2e-3, 2e-4, up).then(constant(2e-3, 40)).then(decay(down, 30, 2e-3, 2e-4));
}

std::vector<std::pair<std::string, Schedule>> all_schedules() {
  const OneCycleOptions linear_cycle{
      .rise = 0.25, .start = 1.0 / 10, .end = 1.0 / 10 / 50, .shape = DecayShape::linear};
  const OneCycleOptions three{.rise = 0.35, .three_phases = true};
  const OneCycleOptions three_linear{.three_phases = true, .shape = DecayShape::linear};
  return {
      {"multi_step", multi_step(0.1, {10, 30, 31, 77}, 0.3)},
      {"restarts", cosine_restarts(13, 0.02, {.floor = 1e-3})},
      {"restarts_doubled", cosine_restarts(9, 0.02, {.floor = 1e-3, .stretch = 2})},
      {"one_cycle", one_cycle(100, 0.02)},
      {"one_cycle_linear", one_cycle(100, 0.02, linear_cycle)},
      {"one_cycle_three", one_cycle(100, 0.02, three)},
      {"one_cycle_three_linear", one_cycle(100, 0.02, three_linear)},
      {"momentum", one_cycle_momentum(100)},
      {"momentum_three", one_cycle_momentum(100, 0.9, 0.8, {.three_phases = true})},
      {"triangular", triangular(12, 1e-2, 1e-3)},
      {"triangular_uneven", triangular(8, 1e-2, 1e-3, {.down = 20})},
      {"triangular2", triangular(12, 1e-2, 1e-3, {.shrink = 0.5})},
      {"triangular_range", triangular(12, 1e-2, 1e-3, {.factor = 0.98})},
      {"sequence", warmup(15, 1e-2, 0.25e-2)
                       .then(cosine_restarts(20, 1e-2, {.floor = 1e-4}).first(50))
                       .then(step_decay(1e-2, 7, 0.5))},
      {"huggingface_cosine_waves", warmup(10, 1e-3, 0).then(cosine(80, 1e-3, {.floor = 1e-4, .waves = 1.5}))},
      {"huggingface_hard_restarts", warmup(10, 1e-3, 0).then(hard_restarts(70, 1e-3, 4))},
      {"huggingface_inverse_sqrt", warmup(12, 2e-3, 0).then(inverse_sqrt(2e-3, 40))},
      {"huggingface_wsd.linear.linear", wsd(DecayShape::linear, DecayShape::linear)},
      {"huggingface_wsd.linear.cosine", wsd(DecayShape::linear, DecayShape::cosine)},
      {"huggingface_wsd.linear.1-sqrt", wsd(DecayShape::linear, DecayShape::square_root)},
      {"huggingface_wsd.cosine.linear", wsd(DecayShape::cosine, DecayShape::linear)},
      {"huggingface_wsd.cosine.cosine", wsd(DecayShape::cosine, DecayShape::cosine)},
      {"huggingface_wsd.cosine.1-sqrt", wsd(DecayShape::cosine, DecayShape::square_root)},
      {"huggingface_wsd.1-sqrt.linear", wsd(DecayShape::square_root, DecayShape::linear)},
      {"huggingface_wsd.1-sqrt.cosine", wsd(DecayShape::square_root, DecayShape::cosine)},
      {"huggingface_wsd.1-sqrt.1-sqrt", wsd(DecayShape::square_root, DecayShape::square_root)},
      {"minicpm", warmup(10, 1e-2).then(constant(1e-2, 50)).then(half_life(1e-2, 12))},
      {"optax_cosine_exponent", cosine(80, 3e-3, {.floor = 3e-4, .exponent = 2})},
      {"optax_cosine_onecycle", warmup(27, 0.01, 0.01 / 25, DecayShape::cosine).then(cosine(63, 0.01, 0.01 / 25e4))},
      {"optax_sgdr",
       warmup(10, 1e-2, 1e-3).then(cosine(30, 1e-2, 1e-3)).then(warmup(15, 5e-3, 1e-3)).then(cosine(45, 5e-3, 1e-3))},
      {"optax_exponential", exponential(1e-2, std::pow(0.5, 1.0 / 20))},
      {"timm_cosine", cosine_restarts(10, 1e-2, {.floor = 1e-3, .stretch = 1.5, .shrink = 0.5, .cycles = 4})},
      {"timm_k_decay", warmup(10, 1e-2, 0).then(cosine(80, 1e-2, {.floor = 1e-4, .k = 1.5}))},
      {"timm_poly", polynomial(90, 1e-2, 1e-4, 0.5, 2)},
      {"exponential_warmup", cosine(99, 1e-2).times(exponential_warmup(1 / (1 - 0.95), 1))},
  };
}

const std::vector<std::pair<std::string, PlateauOptions>> plateau_cases{
    {"plateau.default", {.patience = 3}},
    {"plateau.absolute", {.factor = 0.5, .patience = 2, .threshold = 0.05, .relative = false}},
    {"plateau.cooldown", {.factor = 0.3, .patience = 1, .cooldown = 4, .floor = 1e-3}},
    {"plateau.maximum", {.factor = 0.7, .patience = 4, .threshold = 0.01, .maximize = true}},
    {"plateau.eps", {.factor = 0.5, .patience = 0, .eps = 1e-3}},
};

}  // namespace

TEST_CASE("further schedules agree with PyTorch, Hugging Face, optax and timm in every step", "[schedule]") {
  for (const auto& [name, schedule] : all_schedules()) {
    INFO(name);
    const Tensor expected = golden().read(name);
    REQUIRE(expected.size() == 100);
    double worst = 0;
    for (int64_t step = 0; step < 100; ++step) {
      worst = std::max(worst, std::abs(schedule(step) - expected.data()[step]));
    }
    CHECK(worst < 1e-15);  // PyTorch multiplies its way from step to step, and rounds as often
  }
}

TEST_CASE("Plateau takes the same decisions as ReduceLROnPlateau", "[schedule][plateau]") {
  const Tensor losses = golden().read("plateau.losses");
  for (const auto& [name, options] : plateau_cases) {
    INFO(name);
    const Tensor expected = golden().read(name);
    Plateau plateau(0.1, options);
    int64_t falls = 0;
    for (int64_t i = 0; i < losses.size(); ++i) {
      falls += plateau.observe(options.maximize ? -losses.data()[i] : losses.data()[i]);
      REQUIRE(std::abs(plateau.lr() - expected.data()[i]) < 1e-15);
    }
    CHECK(falls >= 3);
  }
}

TEST_CASE("every golden schedule has been compared", "[schedule]") {
  std::set<std::string> compared{"plateau.losses"};
  for (const auto& [name, schedule] : all_schedules()) compared.insert(name);
  for (const auto& [name, options] : plateau_cases) compared.insert(name);
  const std::vector<std::string> names = golden().names();
  CHECK(compared == std::set<std::string>(names.begin(), names.end()));
}

}  // namespace tape::inline TAPE_ABI::test
