// The newer optimizers in double precision against their formulas in double precision.
#include "catch.h"
#include "support/optimizers.h"

using namespace tape;

TEST_CASE("the newer optimizers agree with their formulas in double precision", "[optim]") {
  for (const test::OptimizerRow& row : test::more_golden_optimizers()) {
    INFO(row.name);
    CHECK(test::more_golden_difference(row) < 2e-13);
  }
}
