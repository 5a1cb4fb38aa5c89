// The number of threads never changes a bit, and no op depends on what was in its memory before.
#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/tape.h>

#include "catch.h"
#include "support/op_table.h"

namespace tape::test {

namespace {

bool same(const ValueAndGradients& a, const ValueAndGradients& b) {
  bool result = same_bits(a.value, b.value) && a.gradients.size() == b.gradients.size();
  for (std::size_t i = 0; result && i < a.gradients.size(); ++i) result = same_bits(a.gradients[i], b.gradients[i]);
  return result;
}

void check_threads(const OpRow& row, int64_t rows, int64_t columns) {
  const OpCase c = row.make(rows, columns);
  const Threads one(1);
  const ValueAndGradients alone = differentiate(c.f, c.inputs);
  for (const int count : {2, 3, 4}) {
    const Threads use(count);
    INFO(row.name() << " at " << rows << " x " << columns << " with " << count << " threads");
    CHECK(same(differentiate(c.f, c.inputs), alone));
  }
}

}  // namespace

TEST_CASE("Attention gives the same bits with 1, 2, 3 and 4 threads", "[bits][no-asan]") {
  for (const OpRow& row : op_table()) {
    if (row.op.starts_with("attention")) check_threads(row, 201, 35);
  }
}

TEST_CASE("Every other op gives the same bits with 1, 2, 3 and 4 threads", "[bits][no-asan]") {
  for (const OpRow& row : op_table()) {
    if (!row.op.starts_with("attention")) check_threads(row, 517, 193);
  }
}

TEST_CASE("Every other op gives the same bits with 1, 2, 3 and 4 threads, on many short rows",
          "[bits][no-asan][no-tsan]") {
  for (const OpRow& row : op_table()) {
    if (!row.op.starts_with("attention")) check_threads(row, 2051, 37);
  }
}

TEST_CASE("No op reads memory that it has not written", "[bits][no-tsan]") {
  for (const OpRow& row : op_table()) {
    for (const int64_t rows : {1, 6, 150}) {
      const OpCase c = row.make(rows, 9);
      const ValueAndGradients before = differentiate(c.f, c.inputs);
      poison_pool();
      INFO(row.name() << " with " << rows << " rows");
      CHECK(same(differentiate(c.f, c.inputs), before));
    }
  }
}

TEST_CASE("Ops on tensors without rows give empty values and zero gradients", "[ops][no-tsan]") {
  int cases = 0;
  for (const OpRow& row : op_table()) {
    if (row.op == "cross_entropy" || row.op == "mean") continue;  // refused: nothing to average
    if (row.variant.starts_with("mask") || row.variant.starts_with("key lengths")) continue;  // need a first row
    const OpCase c = row.make(0, 4);
    poison_pool();
    INFO(row.name());
    const ValueAndGradients result = differentiate(c.f, c.inputs);
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      CHECK(result.gradients[i].shape() == c.inputs[i].shape());
      if (result.value.size() == 0) CHECK(same_bits(result.gradients[i], Tensor::zeros(c.inputs[i].shape())));
    }
    ++cases;
  }
  CHECK(cases > 40);
}

TEST_CASE("NaN among the inputs of an op shows in its output", "[ops]") {
  for (const OpRow& row : op_table()) {
    const OpCase c = row.make(6, 5);
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      Inputs inputs = c.inputs;
      inputs[i] = Tensor::full(c.inputs[i].shape(), std::numeric_limits<real>::quiet_NaN());
      const Tensor y = c.f(inputs);
      INFO(row.name() << ", input " << i);
      CHECK(std::ranges::any_of(y.values(), [](real v) { return std::isnan(v); }));
    }
  }
}

}  // namespace tape::test
