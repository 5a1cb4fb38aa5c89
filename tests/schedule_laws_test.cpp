// Laws that every schedule obeys, whatever its arguments: it stays between its ends, a warm-up only rises and a decay
// only falls, parts join without a jump, and asking for a step changes nothing.
#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <random>

#include <tape/optim/schedule_cycles.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using namespace optim;

namespace {

constexpr DecayShape shapes[] = {DecayShape::linear, DecayShape::cosine, DecayShape::square_root,
                                 DecayShape::exponential};

// Sample that follow from a seed.
struct Sample {
  explicit Sample(unsigned seed) : generator(seed) {
    peak = std::pow(10, uniform(-6, 1));
    floor = peak * std::pow(10, uniform(-5, 0));
    steps = std::uniform_int_distribution<int64_t>(1, 300)(generator);
    warmup_steps = std::uniform_int_distribution<int64_t>(0, steps)(generator);
    power = uniform(0.3, 4);
  }
  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(generator); }

  std::mt19937 generator;
  double peak, floor, power;
  int64_t steps, warmup_steps;
};

// Decays from peak to floor within `steps`.
std::vector<Schedule> decays(const Sample& a) {
  std::vector<Schedule> all{linear(a.steps, a.peak, a.floor),
                            cosine(a.steps, a.peak, a.floor),
                            cosine(a.steps, a.peak, {.floor = a.floor, .k = a.power}),
                            cosine(a.steps, a.peak, {.floor = a.floor, .exponent = a.power}),
                            polynomial(a.steps, a.peak, a.floor, a.power),
                            polynomial(a.steps, a.peak, a.floor, 0.5, a.power),
                            square_root(a.steps, a.peak, a.floor),
                            hard_restarts(a.steps, a.peak, 1, a.floor)};
  for (const DecayShape shape : shapes) all.push_back(decay(shape, a.steps, a.peak, a.floor));
  return all;
}

// Everything that has a peak and a floor.
std::vector<Schedule> bounded(const Sample& a) {
  std::vector<Schedule> all = decays(a);
  for (const DecayShape shape : shapes) {
    all.push_back(warmup(a.warmup_steps, a.peak, a.floor, shape));
    all.push_back(warmup(a.warmup_steps, a.peak, a.floor, shape).then(decay(shape, a.steps, a.peak, a.floor)));
  }
  const double first = 1 + static_cast<double>(a.steps) / 7;
  all.push_back(cosine(a.steps, a.peak, {.floor = a.floor, .waves = a.power}));
  all.push_back(cosine_restarts(first, a.peak, {.floor = a.floor}));
  all.push_back(cosine_restarts(first, a.peak, {.floor = a.floor, .stretch = 1 + a.power, .shrink = 0.7, .k = 1.5}));
  all.push_back(hard_restarts(a.steps, a.peak, 5, a.floor));
  all.push_back(triangular(a.steps, a.peak, a.floor, {.down = a.warmup_steps, .shrink = 0.5, .factor = 0.999}));
  const OneCycleOptions cycle{.rise = 0.4, .start = a.floor / a.peak, .end = a.floor / a.peak};
  all.push_back(one_cycle(a.steps, a.peak, cycle));
  return all;
}

double largest_jump(const Schedule& rate, int64_t steps) {
  double jump = 0;
  for (int64_t s = 1; s < steps; ++s) jump = std::max(jump, std::abs(rate(s) - rate(s - 1)));
  return jump;
}

}  // namespace

TEST_CASE("no schedule leaves the range between floor and peak, to the last bit", "[schedule]") {
  const unsigned seed = GENERATE(range(0u, 60u));
  const Sample a(seed);
  const double last_bit = a.floor * (1 - 1e-15);  // one_cycle is given shares of the peak
  std::size_t which = 0;
  for (const Schedule& rate : bounded(a)) {
    CAPTURE(seed, which++, a.peak, a.floor, a.steps);
    bool inside = true;
    for (int64_t s = 0; s < 2 * a.steps + 5; ++s) inside = inside && rate(s) >= last_bit && rate(s) <= a.peak;
    CHECK(inside);
  }
}

TEST_CASE("decays begin at the peak, only fall, and end at the floor exactly", "[schedule]") {
  const unsigned seed = GENERATE(range(0u, 60u));
  const Sample a(seed);
  std::size_t which = 0;
  for (const Schedule& rate : decays(a)) {
    CAPTURE(seed, which++, a.peak, a.floor, a.steps);
    CHECK(rate(0) == a.peak);
    CHECK(rate(a.steps) == a.floor);
    bool falls = true;
    for (int64_t s = 1; s <= a.steps; ++s) falls = falls && rate(s) <= rate(s - 1);
    CHECK(falls);
  }
}

TEST_CASE("warm-ups only rise, and are decays walked backwards", "[schedule]") {
  const unsigned seed = GENERATE(range(0u, 30u));
  const Sample a(seed);
  for (const DecayShape shape : shapes) {
    const Schedule up = warmup(a.steps, a.peak, a.floor, shape);
    const Schedule down = decay(shape, a.steps, a.peak, a.floor);
    for (int64_t s = 0; s <= a.steps; ++s) {
      REQUIRE(up(s) == Approx(down(a.steps - s)).epsilon(1e-12));
      REQUIRE((s == 0 || up(s) >= up(s - 1)));
    }
    CHECK(up(0) == a.floor);
    CHECK(up(a.steps) == a.peak);
  }
  const Schedule plain = warmup(a.steps, a.peak);
  const Schedule untuned = exponential_warmup(static_cast<double>(a.steps), a.peak);
  for (int64_t s = 1; s <= a.steps; ++s) {
    REQUIRE(plain(s) >= plain(s - 1));
    REQUIRE(untuned(s) > untuned(s - 1));
    REQUIRE(untuned(s) < a.peak);
  }
}

TEST_CASE("parts of a schedule join without a jump", "[schedule]") {
  for (const DecayShape shape : {DecayShape::linear, DecayShape::cosine, DecayShape::exponential}) {
    const Schedule rate = warmup_stable_decay(400, 300, 500, 1, 0.01, shape);
    CHECK(largest_jump(rate, 1300) < 0.01);
  }
  CHECK(largest_jump(one_cycle(1000, 1), 1100) < 0.01);
  CHECK(largest_jump(one_cycle(1000, 1, {.three_phases = true, .shape = DecayShape::linear}), 1100) < 0.01);
  CHECK(largest_jump(triangular(300, 1, 0.1), 2000) < 0.01);
  CHECK(largest_jump(warmup(400, 1).then(inverse_sqrt(1, 400)), 2000) < 0.01);
  CHECK(largest_jump(cosine_restarts(300, 1), 600) == Approx(1).epsilon(1e-4));  // but a restart is one
}

TEST_CASE("a schedule is a function: the order of the questions does not matter", "[schedule]") {
  const Sample a(3);
  for (const Schedule& rate : bounded(a)) {
    std::vector<double> forwards, backwards;
    for (int64_t s = 0; s < 400; ++s) forwards.push_back(rate(s));
    const Schedule copy = rate;
    for (int64_t s = 399; s >= 0; --s) backwards.push_back(copy(s));
    CHECK(forwards == std::vector<double>(backwards.rbegin(), backwards.rend()));
  }
}

TEST_CASE("restarts come back to the peak when a cycle is over", "[schedule]") {
  const Schedule doubled = cosine_restarts(10, 1, {.stretch = 2, .shrink = 0.5});
  CHECK(doubled(0) == 1);
  CHECK(doubled(9) < 0.1);
  CHECK(doubled(10) == 0.5);
  CHECK(doubled(30) == 0.25);
  CHECK(doubled(70) == 0.125);
  CHECK(doubled.steps() == Schedule::forever);
  const Schedule limited = cosine_restarts(10, 1, {.floor = 0.25, .stretch = 2, .cycles = 3});
  CHECK(limited.steps() == 70);
  CHECK(limited(69) > 0.25);
  CHECK(limited(70) == 0.25);
  CHECK(limited(int64_t{1} << 60) == 0.25);
  CHECK(cosine_restarts(2.5, 1, {.cycles = 3}).steps() == 8);
  CHECK(cosine_restarts(10, 1, {.shrink = 0.5})(Schedule::forever) == 0);  // the peak has become 0
  CHECK(cosine_restarts(1, 1, {.stretch = 1.5})(Schedule::forever) <= 1);
  CHECK(cosine_restarts(10, 1, {.stretch = 1 + 1e-12})(1'000'000'000) <= 1);  // nor after very many cycles
  CHECK(cosine_restarts(1, 1, {.stretch = 3, .cycles = 100}).steps() == Schedule::forever);
}

TEST_CASE("hard restarts divide the run evenly, also when a cycle is no whole number of steps", "[schedule]") {
  const Schedule rate = hard_restarts(90, 1, 3);
  CHECK(rate(0) == 1);
  CHECK(rate(30) == 1);
  CHECK(rate(60) == 1);
  CHECK(rate(29) < 0.01);
  CHECK(rate(90) == 0);
  const Schedule uneven = hard_restarts(10, 1, 3);
  CHECK(uneven(3) == Approx((1 + std::cos(0.9 * 3.14159265358979)) / 2));
  CHECK(uneven(4) == Approx((1 + std::cos(0.2 * 3.14159265358979)) / 2));
}

TEST_CASE("one cycle has its peak and its end where PyTorch has them", "[schedule]") {
  const Schedule rate = one_cycle(100, 0.5);
  CHECK(rate(0) == Approx(0.5 / 25));
  CHECK(rate(29) == 0.5);
  CHECK(rate(99) == Approx(0.5 / 25e4));
  CHECK(rate(100) == rate(99));
  CHECK(rate.steps() == 100);
  const Schedule momentum = one_cycle_momentum(100);
  CHECK(momentum(0) == 0.95);
  CHECK(momentum(29) == 0.85);
  CHECK(momentum(99) == 0.95);
  CHECK(one_cycle(100, 0.5, {.rise = 0})(0) == 0.5);   // only down
  CHECK(one_cycle(100, 0.5, {.rise = 1})(99) == 0.5);  // only up
  CHECK(one_cycle(1, 0.5)(0) == Approx(0.5 / 25e4));
}

TEST_CASE("an untuned warm-up follows from beta2 alone", "[schedule]") {
  CHECK(untuned_warmup(0.95) == 40);
  CHECK(untuned_warmup(0.98) == 100);
  CHECK(untuned_warmup(0.999) == 2000);
  CHECK(untuned_warmup(0) == 2);
  // Both warm-ups of Ma & Yarats lose the same: the sum of 1 - factor is 1/(1 - beta2) steps.
  const Schedule slow = exponential_warmup(1 / (1 - 0.99), 1);
  double lost = 0;
  for (int64_t s = 0; s < 5000; ++s) lost += 1 - slow(s);
  CHECK(lost == Approx(100).epsilon(0.01));
}

TEST_CASE("times multiplies two schedules for as long as the longer one lasts", "[schedule]") {
  const Schedule rate = linear(10, 1, 0.5).times(warmup(4, 1)).times(constant(0.5, 20));
  CHECK(rate.steps() == 20);
  CHECK(rate(0) == 0.125);
  CHECK(rate(10) == 0.25);
  CHECK(rate(30) == 0.25);
  CHECK(constant(1).times(constant(1, 3)).steps() == Schedule::forever);
}

TEST_CASE("milestones may be none, at the start, or twice the same", "[schedule]") {
  CHECK(multi_step(1, {}, 0.5)(1000) == 1);
  CHECK(multi_step(1, {0}, 0.5)(0) == 0.5);
  const Schedule twice = multi_step(1, {3, 3}, 0.5);
  CHECK(twice(2) == 1);
  CHECK(twice(3) == 0.25);
}

TEST_CASE("half_life halves the rate again and again", "[schedule]") {
  const Schedule rate = half_life(0.8, 10);
  CHECK(rate(0) == 0.8);
  CHECK(rate(10) == 0.4);
  CHECK(rate(30) == 0.1);
  CHECK(rate(5) == Approx(0.8 / std::sqrt(2)));
  const double floor = 0.8 / 8;  // the exponential decay to an eighth is the same curve
  CHECK(decay(DecayShape::exponential, 30, 0.8, floor)(10) == Approx(rate(10)));
}

TEST_CASE("further schedules refuse bad arguments by name", "[schedule]") {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  const auto refuses = [](const std::function<void()>& make, std::initializer_list<std::string> parts) {
    return has_parts(error_of(make), parts);
  };
  CHECK(refuses([&] { warmup(1, 1, 2, DecayShape::cosine); }, {"warmup: start", "at most the peak, 1", "not 2"}));
  CHECK(refuses([&] { warmup(1, 1, 0, DecayShape::exponential); }, {"warmup: start", "above 0"}));
  CHECK(refuses([&] { exponential_warmup(0, 1); }, {"exponential_warmup: period"}));
  CHECK(refuses([&] { exponential_warmup(1, nan); }, {"exponential_warmup: peak"}));
  CHECK(refuses([&] { untuned_warmup(1); }, {"untuned_warmup: beta2", "below 1", "not 1"}));
  CHECK(refuses([&] { untuned_warmup(nan); }, {"untuned_warmup: beta2"}));
  CHECK(refuses([&] { decay(DecayShape::linear, -1, 1, 0); }, {"decay: steps"}));
  CHECK(refuses([&] { decay(DecayShape::linear, 1, 1, 2); }, {"decay: floor"}));
  CHECK(refuses([&] { decay(DecayShape::exponential, 1, 1, 0); }, {"decay: floor", "exponential"}));
  CHECK(refuses([&] { cosine(1, 1, {.waves = 0}); }, {"cosine: waves"}));
  CHECK(refuses([&] { cosine(1, 1, {.k = nan}); }, {"cosine: k"}));
  CHECK(refuses([&] { cosine(1, 1, {.exponent = -1}); }, {"cosine: exponent"}));
  CHECK(refuses([&] { polynomial(1, 1, 0, 1, 0); }, {"polynomial: k"}));
  CHECK(refuses([&] { multi_step(0, {}, 1); }, {"multi_step: lr"}));
  CHECK(refuses([&] { multi_step(1, {5, 4}, 1); }, {"multi_step: each milestone", "at least 5", "not 4"}));
  CHECK(refuses([&] { multi_step(1, {-1}, 1); }, {"multi_step: each milestone"}));
  CHECK(refuses([&] { half_life(1, 0); }, {"half_life: half"}));
  CHECK(refuses([&] { cosine_restarts(0.5, 1); }, {"cosine_restarts: first_cycle"}));
  CHECK(refuses([&] { cosine_restarts(infinity, 1); }, {"cosine_restarts: first_cycle"}));
  CHECK(refuses([&] { cosine_restarts(5, 1, {.floor = 2}); }, {"cosine_restarts: floor"}));
  CHECK(refuses([&] { cosine_restarts(5, 1, {.stretch = 0.9}); }, {"cosine_restarts: stretch"}));
  CHECK(refuses([&] { cosine_restarts(5, 1, {.shrink = 1.1}); }, {"cosine_restarts: shrink"}));
  CHECK(refuses([&] { cosine_restarts(5, 1, {.cycles = -1}); }, {"cosine_restarts: cycles"}));
  CHECK(refuses([&] { hard_restarts(5, 1, 0); }, {"hard_restarts: cycles", "at least 1"}));
  CHECK(refuses([&] { one_cycle(0, 1); }, {"one_cycle: steps"}));
  CHECK(refuses([&] { one_cycle(5, 0); }, {"one_cycle: peak"}));
  CHECK(refuses([&] { one_cycle(5, 1, {.rise = 1.5}); }, {"one_cycle: rise"}));
  CHECK(refuses([&] { one_cycle(5, 1, {.rise = 0.6, .three_phases = true}); }, {"one_cycle: rise", "0.5"}));
  CHECK(refuses([&] { one_cycle(5, 1, {.start = 2}); }, {"one_cycle: start"}));
  CHECK(refuses([&] { one_cycle(5, 1, {.end = nan}); }, {"one_cycle: end"}));
  CHECK(
      refuses([&] { one_cycle(5, 1, {.shape = DecayShape::square_root}); }, {"one_cycle: shape", "cosine or linear"}));
  CHECK(refuses([&] { one_cycle_momentum(5, 1); }, {"one_cycle_momentum: high"}));
  CHECK(refuses([&] { one_cycle_momentum(5, 0.8, 0.9); }, {"one_cycle_momentum: low", "0.8", "not 0.9"}));
  CHECK(refuses([&] { triangular(0, 1, 0); }, {"triangular: up"}));
  CHECK(refuses([&] { triangular(1, 1, 2); }, {"triangular: floor"}));
  CHECK(refuses([&] { triangular(1, 1, 0, {.down = -1}); }, {"triangular: down"}));
  CHECK(refuses([&] { triangular(1, 1, 0, {.shrink = 0}); }, {"triangular: shrink"}));
  CHECK(refuses([&] { triangular(1, 1, 0, {.factor = 2}); }, {"triangular: factor"}));
}

}  // namespace tape::inline TAPE_ABI::test
