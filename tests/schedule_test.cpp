// Schedules at their borders: which value belongs to which step, composition, and what is refused. Every value in
// between is compared with PyTorch in f64/schedule_test.cpp.
#include <cmath>
#include <limits>

#include <tape/optim/schedule.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using namespace optim;

TEST_CASE("a warm-up begins with its first part and ends at the peak", "[schedule]") {
  const Schedule rate = warmup(4, 0.8);
  CHECK(rate(0) == 0.2);
  CHECK(rate(1) == 0.4);
  CHECK(rate(3) == 0.8);
  CHECK(rate(4) == 0.8);
  const Schedule from_zero = warmup(4, 0.8, 0);
  CHECK(from_zero(0) == 0);
  CHECK(from_zero(1) == 0.2);
  CHECK(from_zero(4) == 0.8);
}

TEST_CASE("a bounded schedule arrives at its length and holds what it has reached", "[schedule]") {
  const int64_t far = int64_t{1} << 60;
  for (const Schedule& rate : {linear(10, 0.5, 0.25), cosine(10, 0.5, 0.25), polynomial(10, 0.5, 0.25, 2),
                               square_root(10, 0.5, 0.25), warmup_stable_decay(2, 3, 5, 0.5, 0.25)}) {
    CHECK(rate.steps() == 10);
    CHECK(rate(9) > 0.25);
    CHECK(rate(10) == 0.25);
    CHECK(rate(11) == 0.25);
    CHECK(rate(far) == 0.25);
  }
  CHECK(constant(0.5, 3)(far) == 0.5);
}

TEST_CASE("then starts the next schedule at its own step 0", "[schedule]") {
  const Schedule rate = constant(0.5, 3).then(linear(4, 0.4, 0)).then(step_decay(1, 2, 0.5));
  CHECK(rate(2) == 0.5);
  CHECK(rate(3) == 0.4);
  CHECK(rate(5) == 0.2);
  CHECK(rate(7) == 1);
  CHECK(rate(8) == 1);
  CHECK(rate(9) == 0.5);
  CHECK(rate.steps() == Schedule::forever);
  CHECK(constant(1, 3).then(linear(4, 1, 0)).steps() == 7);
}

TEST_CASE("a stretch of no steps is skipped", "[schedule]") {
  CHECK(warmup(0, 0.5).then(cosine(10, 0.5))(0) == 0.5);
  CHECK(warmup(0, 0.5, 0).then(linear(10, 0.25, 0))(0) == 0.25);
  CHECK(constant(0.5, 3).then(linear(0, 0.5, 0.125))(3) == 0.125);
  CHECK(warmup_stable_decay(0, 0, 4, 0.5)(0) == 0.5);
  CHECK(cosine(0, 0.5, 0.25)(0) == 0.25);
}

TEST_CASE("first ends a schedule that would go on", "[schedule]") {
  const Schedule rate = exponential(1, 0.5).first(2).then(constant(0.125));
  CHECK(rate(0) == 1);
  CHECK(rate(1) == 0.5);
  CHECK(rate(2) == 0.125);
  CHECK(exponential(1, 0.5).first(2)(100) == 0.25);
  CHECK(constant(1, 5).first(9).steps() == 5);
}

TEST_CASE("the published formulas have their peaks where they should", "[schedule]") {
  const Schedule vaswani = noam(512, 4000);  // "Attention is all you need": 7e-4 at update 4000
  CHECK(vaswani(3999) == Approx(1 / std::sqrt(512.0 * 4000)));
  CHECK(vaswani(3998) < vaswani(3999));
  CHECK(vaswani(4000) < vaswani(3999));
  const Schedule rate = warmup(100, 1e-3).then(inverse_sqrt(1e-3, 100));
  CHECK(rate(100) == 1e-3);
  CHECK(rate(400) == Approx(0.5e-3));  // four times the steps, half the rate
  CHECK(rate(10000) == Approx(1e-4));
}

TEST_CASE("a schedule of one's own composes with the others", "[schedule]") {
  const Schedule saw([](int64_t s) { return 1.0 / static_cast<double>(1 + s % 2); }, 4);
  const Schedule rate = warmup(2, 1).then(saw).then(constant(0.25));
  CHECK(rate(1) == 1);
  CHECK(rate(2) == 1);
  CHECK(rate(3) == 0.5);
  CHECK(rate(6) == 0.25);
}

TEST_CASE("schedules refuse bad arguments by name", "[schedule]") {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(has_parts(error_of([&] { constant(0); }), {"constant: lr", "above 0", "not 0"}));
  CHECK(has_parts(error_of([&] { constant(1, -1); }), {"constant: steps", "at least 0", "not -1"}));
  CHECK(has_parts(error_of([&] { warmup(-1, 1); }), {"warmup: steps"}));
  CHECK(has_parts(error_of([&] { warmup(1, -0.5); }), {"warmup: peak", "not -0.5"}));
  CHECK(has_parts(error_of([&] { warmup(1, 1, nan); }), {"warmup: start", "not nan"}));
  CHECK(has_parts(error_of([&] { linear(-1, 1, 0); }), {"linear: steps"}));
  CHECK(has_parts(error_of([&] { linear(1, -1, 0); }), {"linear: from", "at least 0"}));
  CHECK(has_parts(error_of([&] { linear(1, 1, infinity); }), {"linear: to", "finite"}));
  CHECK(has_parts(error_of([&] { cosine(-1, 1); }), {"cosine: steps"}));
  CHECK(has_parts(error_of([&] { cosine(1, 0); }), {"cosine: peak"}));
  CHECK(has_parts(error_of([&] { cosine(1, 1, -1); }), {"cosine: floor"}));
  CHECK(has_parts(error_of([&] { cosine(1, 1, 2); }), {"cosine: floor", "at most the peak, 1", "not 2"}));
  CHECK(has_parts(error_of([&] { polynomial(1, 1, 0, 0); }), {"polynomial: power"}));
  CHECK(has_parts(error_of([&] { polynomial(1, nan, 0); }), {"polynomial: from"}));
  CHECK(has_parts(error_of([&] { square_root(1, 1, -1); }), {"square_root: to"}));
  CHECK(has_parts(error_of([&] { inverse_sqrt(1, 0); }), {"inverse_sqrt: timescale", "at least 1"}));
  CHECK(has_parts(error_of([&] { inverse_sqrt(nan, 5); }), {"inverse_sqrt: peak"}));
  CHECK(has_parts(error_of([&] { noam(0, 5); }), {"noam: width"}));
  CHECK(has_parts(error_of([&] { noam(5, 0); }), {"noam: warmup_steps"}));
  CHECK(has_parts(error_of([&] { noam(5, 5, -1); }), {"noam: factor"}));
  CHECK(has_parts(error_of([&] { step_decay(1, 0, 1); }), {"step_decay: every"}));
  CHECK(has_parts(error_of([&] { step_decay(1, 1, nan); }), {"step_decay: factor"}));
  CHECK(has_parts(error_of([&] { exponential(-1, 1); }), {"exponential: lr"}));
  CHECK(has_parts(error_of([&] { warmup_stable_decay(1, -1, 1, 1); }), {"warmup_stable_decay: stable_steps"}));
  CHECK(has_parts(error_of([&] { warmup_stable_decay(1, 1, 1, 1, 2); }), {"warmup_stable_decay: floor"}));
  CHECK(has_parts(error_of([&] { constant(1)(-1); }), {"Schedule: step", "not -1"}));
  CHECK(has_parts(error_of([&] { constant(1).then(constant(1)); }), {"then", "never ends", "first(steps)"}));
  CHECK(has_parts(error_of([&] { constant(1).first(-1); }), {"first: count"}));
  CHECK(has_parts(error_of([&] { Schedule(nullptr); }), {"Schedule", "empty"}));
}

}  // namespace tape::inline TAPE_ABI::test
