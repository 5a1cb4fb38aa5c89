// Plateau: when the rate falls, and that a restored one goes on as if it had never stopped. Its decisions are compared
// with PyTorch's in f64/schedule_golden_test.cpp.
#include <cmath>
#include <limits>
#include <random>

#include <tape/optim/plateau.h>
#include <tape/optim/schedule.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using optim::Plateau;

TEST_CASE("the rate falls when the loss was no better for more observations than patience", "[plateau]") {
  Plateau plateau(1, {.factor = 0.5, .patience = 2});
  CHECK_FALSE(plateau.observe(3));
  CHECK_FALSE(plateau.observe(3));
  CHECK_FALSE(plateau.observe(3.5));
  CHECK(plateau.lr() == 1);
  CHECK(plateau.observe(2.9999));  // less than a ten-thousandth better
  CHECK(plateau.lr() == 0.5);
  CHECK_FALSE(plateau.observe(3));
  CHECK_FALSE(plateau.observe(2.9));
  CHECK_FALSE(plateau.observe(2.9));
  CHECK_FALSE(plateau.observe(2.9));
  CHECK(plateau.observe(2.9));
  CHECK(plateau.lr() == 0.25);
}

TEST_CASE("a loss that keeps falling leaves the rate alone", "[plateau]") {
  Plateau plateau(0.1);
  for (int i = 0; i < 200; ++i) CHECK_FALSE(plateau.observe(5.0 / (1 + i)));
  CHECK(plateau.lr() == 0.1);
}

TEST_CASE("the rate stops at its floor, and losses that are not a number lead it there", "[plateau]") {
  Plateau plateau(1, {.patience = 0, .floor = 0.02});
  for (int i = 0; i < 10; ++i) plateau.observe(std::nan(""));
  CHECK(plateau.lr() == 0.02);
  CHECK_FALSE(plateau.observe(std::numeric_limits<double>::infinity()));
}

TEST_CASE("the best accuracy is the highest, and may be below zero", "[plateau]") {
  Plateau plateau(1, {.factor = 0.5, .patience = 0, .threshold = 0.5, .relative = false, .maximize = true});
  CHECK_FALSE(plateau.observe(-3));
  CHECK_FALSE(plateau.observe(-2));
  CHECK(plateau.observe(-2.2));
  CHECK(plateau.observe(-1.6));
  CHECK_FALSE(plateau.observe(1));
}

TEST_CASE("a warm-up is a factor of it", "[plateau]") {
  Plateau plateau(0.5, {.patience = 0});
  const optim::Schedule warm = optim::warmup(4, 1);
  CHECK(warm(0) * plateau.lr() == 0.125);
  CHECK(warm(3) * plateau.lr() == 0.5);
  plateau.observe(1);
  plateau.observe(1);
  CHECK(warm(9) * plateau.lr() == Approx(0.05));
}

TEST_CASE("a restored Plateau goes on to the same bits, from any observation", "[plateau]") {
  const optim::PlateauOptions options{.factor = 0.7, .patience = 2, .cooldown = 3, .floor = 1e-3};
  std::mt19937 generator(5);
  std::uniform_real_distribution<double> noise(0, 1);
  std::vector<double> losses;
  for (int i = 0; i < 120; ++i) losses.push_back(2 / (1.0 + i / 4) + noise(generator));
  const std::size_t stop = GENERATE(as<std::size_t>{}, 0, 1, 7, 30, 31, 32, 33, 119);
  Plateau whole(0.1, options), before(0.1, options), after(0.1, options);
  after.observe(0.001);  // must leave no trace
  for (std::size_t i = 0; i < stop; ++i) before.observe(losses[i]);
  after.load_state(before.state());
  CHECK(after.state() == before.state());
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const bool fell = whole.observe(losses[i]);
    if (i >= stop) CHECK(after.observe(losses[i]) == fell);
  }
  CHECK(after.lr() == whole.lr());
  CHECK(after.state() == whole.state());
  CHECK(whole.lr() < 0.01);
}

TEST_CASE("a text that is no state of it changes nothing", "[plateau]") {
  Plateau plateau(0.3);
  plateau.observe(2);
  const std::string good = plateau.state();
  for (const std::string& bad :
       {std::string(), std::string("0.3"), std::string("0.3 2 0"), good + " 1", good + " ", " " + good,
        std::string("a b c d"), std::string("-1 2 0 0"), std::string("inf 2 0 0"), std::string("0.3 nan 0 0"),
        std::string("0.3 2 -1 0"), std::string("0.3 2 0 -1"), std::string("0.3 2 0.5 0"), std::string("0.3,2,0,0"),
        std::string("0.3 2 0 99999999999999999999")}) {
    INFO(bad);
    CHECK(has_parts(error_of([&] { plateau.load_state(bad); }), {"Plateau", "not a state"}));
    CHECK(plateau.state() == good);
  }
  Plateau fresh(0.3);
  const std::string first = fresh.state();
  fresh.load_state(first);  // before the first observation the best is infinite
  CHECK(fresh.state() == first);
}

TEST_CASE("Plateau refuses bad arguments by name", "[plateau]") {
  const double nan = std::nan("");
  CHECK(has_parts(error_of([&] { Plateau(0); }), {"Plateau: lr", "above 0", "not 0"}));
  CHECK(has_parts(error_of([&] { Plateau(1, {.factor = 1}); }), {"Plateau: factor", "below 1", "not 1"}));
  CHECK(has_parts(error_of([&] { Plateau(1, {.factor = nan}); }), {"Plateau: factor"}));
  CHECK(has_parts(error_of([&] { Plateau(1, {.patience = -1}); }), {"Plateau: patience", "not -1"}));
  CHECK(has_parts(error_of([&] { Plateau(1, {.threshold = -1}); }), {"Plateau: threshold"}));
  CHECK(has_parts(error_of([&] { Plateau(1, {.cooldown = -1}); }), {"Plateau: cooldown"}));
  CHECK(has_parts(error_of([&] { Plateau(1, {.floor = 2}); }), {"Plateau: floor", "at most lr, 1"}));
  CHECK(has_parts(error_of([&] { Plateau(1, {.eps = nan}); }), {"Plateau: eps"}));
}

}  // namespace tape::inline TAPE_ABI::test
