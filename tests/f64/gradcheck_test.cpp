// The gradient check must find wrong gradients: here it meets some on purpose.
#include "support/gradcheck.h"

#include <tape/core/ops.h>
#include <tape/core/tape.h>

#include "catch.h"

namespace tape::inline TAPE_ABI::test {

namespace {

// x², with a derivative that is off by a factor, and by a contribution that overwrites what is there when asked to.
Tensor wrong_square(const Tensor& x, double factor, bool overwrite, Where where = Where::here()) {
  const Op op("wrong_square", where);
  Tensor y = Tensor::uninitialized(x.shape());
  for (int64_t i = 0; i < x.size(); ++i) y.mutable_data()[i] = x.data()[i] * x.data()[i];
  return op.record(y, {&x}, [=](Backward& b) {
    const GradView dx = b.grad(0);
    for (int64_t i = 0; i < x.size(); ++i) {
      const real g = factor * 2 * x.data()[i] * b.dy()[i];
      if (overwrite) {
        dx.data[i] = g;
      } else {
        dx.put(i, g);
      }
    }
  });
}

double worst(const Function& f, const Inputs& inputs, const ParameterList& parameters = {}) {
  double result = 0;
  for (const GradientError& e : gradient_errors(f, inputs, parameters)) result = std::max(result, e.error);
  return result;
}

}  // namespace

TEST_CASE("The gradient check accepts a right gradient and refuses one off by a millionth part", "[gradcheck]") {
  const Inputs small = {random_tensor({3, 4}, 1)};
  const Inputs large = {random_tensor({60, 40}, 2)};
  for (const Inputs& inputs : {small, large}) {
    CHECK(worst([](const Inputs& x) { return wrong_square(x[0], 1, false); }, inputs) < 1e-9);
    CHECK(worst([](const Inputs& x) { return wrong_square(x[0], 1 + 4e-6, false); }, inputs) > 1e-6);
  }
}

TEST_CASE("The gradient check finds an op that overwrites the gradient of an input used twice", "[gradcheck]") {
  const Function twice = [](const Inputs& x) { return wrong_square(x[0], 1, true) + wrong_square(x[0], 1, true); };
  CHECK(worst(twice, {random_tensor({5}, 3)}) > 0.1);
}

TEST_CASE("The gradient check perturbs parameters and puts them back", "[gradcheck]") {
  const Parameter p = parameter_of(random_tensor({4}, 4), "weight");
  const Tensor before = p.value().copy();
  const Function f = [&](const Inputs& x) { return wrong_square(p, 1, false) * x[0]; };
  CHECK(worst(f, {random_tensor({4}, 5)}, {p.leaf()}) < 1e-9);
  CHECK(same_bits(p, before));
  CHECK_FALSE(p->has_gradient);
  const Function wrong = [&](const Inputs& x) { return wrong_square(p, 1.1, false) * x[0]; };
  const std::vector<GradientError> errors = gradient_errors(wrong, {random_tensor({4}, 5)}, {p.leaf()});
  REQUIRE(errors.size() == 2);
  CHECK(errors[0].name == "input 0");
  CHECK(errors[1].name == "weight");
  CHECK(errors[1].error > 0.01);
}

TEST_CASE("The gradient check leaves the caller's tensors alone", "[gradcheck]") {
  const Tensor x = random_tensor({200}, 6);
  const Tensor before = x.copy();
  worst([](const Inputs& in) { return wrong_square(in[0], 1, false); }, {x});
  CHECK(same_bits(x, before));
}

}  // namespace tape::inline TAPE_ABI::test
