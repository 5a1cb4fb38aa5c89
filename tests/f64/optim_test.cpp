// Optimizers in double precision against PyTorch in double precision: only the order of roundings differs.
#include "catch.h"
#include "support/optim_golden.h"

using namespace tape;

TEST_CASE("optimizers agree with PyTorch in double precision", "[optim]") {
  for (const test::OptimizerCase& each : test::optimizer_cases()) {
    INFO(each.name);
    const test::GoldenDifference difference = test::golden_difference(each);
    CHECK(difference.values < 1e-14);
    CHECK(difference.averages < 1e-14);
  }
}
