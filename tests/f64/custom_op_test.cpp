// An op written outside the library, with the same public means as the library's own.
#include <cmath>

#include <tape/core/ops.h>
#include <tape/core/tape.h>

#include "catch.h"
#include "support/gradcheck.h"

namespace user {

using tape::Backward;
using tape::GradView;
using tape::Op;
using tape::real;
using tape::Tensor;
using tape::Where;

// y = √(a² + b²), each element; dy/da = a/y.
Tensor hypotenuse(const Tensor& a, const Tensor& b, Where where = Where::here()) {
  const Op op("hypotenuse", where);
  op.need({&a, &b});
  if (!(a.shape() == b.shape())) op.fail(tape::str("a ", a.shape(), " and b ", b.shape(), " must have the same shape"));
  Tensor y = Tensor::uninitialized(a.shape());
  for (int64_t i = 0; i < y.size(); ++i) y.mutable_data()[i] = std::hypot(a.data()[i], b.data()[i]);
  return op.record(y, {&a, &b}, [a, b, y](Backward& back) {
    const Tensor* inputs[] = {&a, &b};
    for (int k = 0; k < 2; ++k) {
      if (!back.wants(k)) continue;
      const GradView dx = back.grad(k);
      for (int64_t i = 0; i < y.size(); ++i) dx.put(i, inputs[k]->data()[i] / y.data()[i] * back.dy()[i]);
    }
  });
}

}  // namespace user

namespace tape::inline TAPE_ABI::test {

TEST_CASE("A user's op is recorded and differentiated like any other", "[tape][gradient]") {
  const Tensor a = random_away_from_zero({3, 4}, 1);
  const Tensor b = random_away_from_zero({3, 4}, 2);
  check_gradients([](const Inputs& x) { return user::hypotenuse(x[0], x[1]); }, {a, b});
  check_gradients([](const Inputs& x) { return user::hypotenuse(x[0], x[0]); }, {a});
  check_gradients([&](const Inputs& x) { return user::hypotenuse(a, x[0]); }, {b});
  check_gradients([](const Inputs& x) { return user::hypotenuse(tanh(x[0]), user::hypotenuse(x[0], x[1])); }, {a, b});

  Tape tape;
  user::hypotenuse(tape.watch(a), b);
  CHECK(std::string(tape.node(0).op) == "hypotenuse");
}

TEST_CASE("A user's op reports errors like any other", "[tape][errors]") {
  const Tensor a = Tensor::zeros({2});
  CHECK(has_parts(error_of([&] { user::hypotenuse(a, Tensor::zeros({3})); }),
                  {"hypotenuse: ", "(2)", "(3)", "same shape", "from custom_op_test.cpp:"}));
  CHECK(has_parts(error_of([&] { user::hypotenuse(a, Tensor()); }), {"hypotenuse: ", "argument 2", "empty"}));
}

}  // namespace tape::inline TAPE_ABI::test
