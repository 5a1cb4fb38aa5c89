// Where gradients meet: inputs used by several nodes, constants among the inputs, parameters over several passes.
#include <tape/core/ops.h>
#include <tape/core/tape.h>

#include "catch.h"
#include "support/op_table.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr double rounding = 1e-13;

}  // namespace

TEST_CASE("Every op adds to a gradient that is already there", "[gradient]") {
  for (const OpRow& row : op_table()) {
    const OpCase c = row.make(4, 5);
    const ValueAndGradients once = differentiate(c.f, c.inputs);
    const Tensor dy = cotangent(once.value.shape(), 1);
    // 1·f + 0.5·f + 0.5·f: the second and third node meet a gradient.
    const ValueAndGradients thrice =
        differentiate([&](const Inputs& x) { return axpy(0.5, c.f(x), axpy(0.5, c.f(x), c.f(x))); }, c.inputs, dy);
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      INFO(row.name() << ", input " << i);
      CHECK(difference(thrice.gradients[i], scale(once.gradients[i], 2)) < rounding);
    }
  }
}

TEST_CASE("Every op leaves out the gradients of constants", "[gradient]") {
  for (const OpRow& row : op_table()) {
    const OpCase c = row.make(4, 5);
    const ValueAndGradients all = differentiate(c.f, c.inputs);
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      INFO(row.name() << ", only input " << i << " tracked");
      Tape tape;
      Inputs inputs = c.inputs;
      inputs[i] = tape.watch(c.inputs[i]);
      const Tensor y = c.f(inputs);
      tape.backward(y, cotangent(y.shape(), 1));
      CHECK(difference(tape.grad(inputs[i]), all.gradients[i]) < rounding);
    }
  }
}

TEST_CASE("Every op's gradients arrive in parameters and add up over two passes", "[gradient]") {
  for (const OpRow& row : op_table()) {
    const OpCase c = row.make(4, 5);
    const ValueAndGradients watched = differentiate(c.f, c.inputs);
    std::vector<Parameter> parameters;
    for (const Tensor& x : c.inputs) parameters.push_back(parameter_of(x, "p"));
    for (const double passes : {1.0, 2.0}) {
      Tape tape;
      Inputs inputs;
      for (const Parameter& p : parameters) inputs.push_back(p);
      const Tensor y = c.f(inputs);
      tape.backward(y, cotangent(y.shape(), 1));
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        INFO(row.name() << ", input " << i << " as a parameter, pass " << passes);
        REQUIRE(parameters[i]->has_gradient);
        CHECK(difference(parameters[i]->gradient_tensor(), scale(watched.gradients[i], passes)) < rounding);
      }
    }
  }
}

TEST_CASE("Every op gives the same value with and without a tape, and records nothing without one", "[gradient]") {
  for (const OpRow& row : op_table()) {
    INFO(row.name());
    const OpCase c = row.make(4, 5);
    const Tensor plain = c.f(c.inputs);
    const ValueAndGradients recorded = differentiate(c.f, c.inputs);
    CHECK(same_bits(plain, recorded.value));
    Tape tape;
    const NoRecord suspended;
    c.f(c.inputs);
    CHECK(tape.size() == 0);
  }
}

}  // namespace tape::inline TAPE_ABI::test
