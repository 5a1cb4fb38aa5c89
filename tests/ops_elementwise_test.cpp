// Ops on single elements and sums: values by hand, special numbers, messages.
#include <cmath>
#include <limits>

#include <tape/core/ops.h>
#include <tape/core/tape.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

constexpr real infinity = std::numeric_limits<real>::infinity();

}  // namespace

TEST_CASE("Sums, differences, products and quotients by hand", "[elementwise]") {
  const Tensor a = Tensor::from({2, 2}, {1, 2, 3, 4});
  const Tensor b = Tensor::from({2, 2}, {8, 4, 2, 1});
  CHECK(same_bits(add(a, b), Tensor::from({2, 2}, {9, 6, 5, 5})));
  CHECK(same_bits(subtract(a, b), Tensor::from({2, 2}, {-7, -2, 1, 3})));
  CHECK(same_bits(multiply(a, b), Tensor::from({2, 2}, {8, 8, 6, 4})));
  CHECK(same_bits(divide(a, b), Tensor::from({2, 2}, {0.125f, 0.5f, 1.5f, 4})));
  CHECK(same_bits(scale(a, -0.5), Tensor::from({2, 2}, {-0.5f, -1, -1.5f, -2})));
  CHECK(same_bits(axpy(3, a, b), Tensor::from({2, 2}, {11, 10, 11, 13})));
  CHECK(same_bits(add_bias(a, Tensor::from({2}, {10, 20})), Tensor::from({2, 2}, {11, 22, 13, 24})));
  CHECK(same_bits(add_bias(Tensor::from({2}, {1, 2}), Tensor::from({2}, {10, 20})), Tensor::from({2}, {11, 22})));
  CHECK(add(Tensor::scalar(1), Tensor::scalar(2)).item() == 3);
}

TEST_CASE("Operators are the ops of the same meaning", "[elementwise]") {
  const Tensor a = random_tensor({3, 5}, 1);
  const Tensor b = random_away_from_zero({3, 5}, 2);
  CHECK(same_bits(a + b, add(a, b)));
  CHECK(same_bits(a - b, subtract(a, b)));
  CHECK(same_bits(a * b, multiply(a, b)));
  CHECK(same_bits(a / b, divide(a, b)));
}

TEST_CASE("exp, log and sqrt at special numbers", "[elementwise]") {
  const Tensor e = exp(Tensor::from({5}, {0, 1, -infinity, infinity, 1000}));
  CHECK(e.data()[0] == 1);
  CHECK(e.data()[1] == Approx(std::exp(1.0)).epsilon(3e-7));
  CHECK(e.data()[2] == 0);
  CHECK(e.data()[3] == infinity);
  CHECK(e.data()[4] == infinity);
  const Tensor l = log(Tensor::from({4}, {1, 8, 0, -1}));
  CHECK(l.data()[0] == 0);
  CHECK(l.data()[1] == Approx(3 * std::log(2.0)).epsilon(3e-7));
  CHECK(l.data()[2] == -infinity);
  CHECK(std::isnan(l.data()[3]));
  const Tensor s = sqrt(Tensor::from({3}, {0, 9, -1}));
  CHECK(s.data()[0] == 0);
  CHECK(s.data()[1] == 3);
  CHECK(std::isnan(s.data()[2]));
}

TEST_CASE("Division by zero follows IEEE arithmetic", "[elementwise]") {
  const Tensor q = divide(Tensor::from({3}, {1, -1, 0}), Tensor::zeros({3}));
  CHECK(q.data()[0] == infinity);
  CHECK(q.data()[1] == -infinity);
  CHECK(std::isnan(q.data()[2]));
}

TEST_CASE("Activations by hand", "[activation]") {
  const Tensor x = Tensor::from({3}, {-2, 0, 3});
  CHECK(same_bits(relu(x), Tensor::from({3}, {0, 0, 3})));
  CHECK(std::isnan(relu(Tensor::full({1}, std::numeric_limits<real>::quiet_NaN())).item()));
  for (const auto& f : {gelu, gelu_tanh, silu, tape::tanh}) {
    CHECK(f(Tensor::zeros({1}), Where::here()).item() == 0);
    const Tensor far = f(Tensor::from({2}, {30, -30}), Where::here());
    CHECK(far.data()[0] == (f == &tape::tanh ? 1.0f : 30.0f));
    CHECK(std::abs(far.data()[1] - (f == &tape::tanh ? -1.0f : 0.0f)) < 1e-10f);
  }
  CHECK(sigmoid(Tensor::zeros({1})).item() == 0.5f);
  CHECK(gelu(Tensor::scalar(1)).item() == Approx(0.5 * (1 + std::erf(std::sqrt(0.5)))).epsilon(1e-6));
  CHECK(silu(Tensor::scalar(1)).item() == Approx(1 / (1 + std::exp(-1.0))).epsilon(1e-6));
  // The two forms of GELU are close but not equal.
  const Tensor apart = subtract(gelu(Tensor::scalar(2.25f)), gelu_tanh(Tensor::scalar(2.25f)));
  CHECK(std::abs(apart.item()) > 1e-4);
  CHECK(std::abs(apart.item()) < 1e-3);
}

TEST_CASE("Sums and means by hand", "[reduce]") {
  const Tensor x = Tensor::from({2, 3}, {1, 2, 3, 10, 20, 30});
  CHECK(sum(x).item() == 66);
  CHECK(sum(x).rank() == 0);
  CHECK(mean(x).item() == 11);
  CHECK(same_bits(sum_last(x), Tensor::from({2}, {6, 60})));
  CHECK(same_bits(mean_last(x), Tensor::from({2}, {2, 20})));
  CHECK(sum_last(Tensor::from({3}, {1, 2, 3})).item() == 6);
  CHECK(sum(Tensor::zeros({0, 3})).item() == 0);
  CHECK(same_bits(sum_last(Tensor::zeros({2, 0})), Tensor::zeros({2})));
}

TEST_CASE("Long sums stay accurate", "[reduce]") {
  // Added in f32 one after the other, the ones beyond 2^24 would be lost.
  CHECK(sum(Tensor::full({(1 << 24) + 8}, 1)).item() == (1 << 24) + 8);
  const Tensor x = random_tensor({2, 100000}, 3, 0, 1);
  double exact = 0;
  for (const real v : x.values()) exact += v;
  CHECK(sum(x).item() == static_cast<real>(exact));
  CHECK(mean(x).item() == Approx(exact / 200000).epsilon(1e-7));
}

TEST_CASE("Ops on elements name themselves, the shapes and the place in their messages", "[elementwise][errors]") {
  const Tensor a = Tensor::zeros({2, 3});
  const Tensor b = Tensor::zeros({3, 2});
  const std::initializer_list<std::string> place = {"ops_elementwise_test.cpp:"};
  struct Named {
    const char* name;
    Tensor (*op)(const Tensor&, const Tensor&, Where);
  };
  for (const Named& f :
       {Named{"add", add}, Named{"subtract", subtract}, Named{"multiply", multiply}, Named{"divide", divide}}) {
    const std::string message = error_of([&] { f.op(a, b, Where::here()); });
    CHECK(has_parts(message, {str(f.name, ": "), "(2, 3)", "(3, 2)", "equal"}));
    CHECK(has_parts(message, place));
    CHECK(has_parts(error_of([&] { f.op(a, Tensor(), Where::here()); }), {f.name, "argument 2", "empty"}));
  }
  CHECK(has_parts(error_of([&] { a + b; }), {"add: ", "(2, 3)", "(3, 2)", "ops_elementwise_test.cpp:"}));
  CHECK(has_parts(error_of([&] { axpy(2, a, b); }), {"axpy: ", "(2, 3)", "(3, 2)", "ops_elementwise_test.cpp:"}));
  CHECK(has_parts(error_of([&] { add_bias(a, Tensor::zeros({2})); }),
                  {"add_bias: ", "(2)", "(3)", "(2, 3)", "ops_elementwise_test.cpp:"}));
  const Parameter bias = parameter_of(Tensor::zeros({2}), "head.bias");
  CHECK(has_parts(error_of([&] { add_bias(a, bias); }), {"add_bias: ", "head.bias (2)"}));
  CHECK(has_parts(error_of([&] { add_bias(Tensor::scalar(1), Tensor::zeros({1})); }), {"add_bias: "}));
  CHECK(has_parts(error_of([&] {
                    mean(Tensor::zeros({0, 4}));
                  }),
                  {"mean: ", "(0, 4)", "no elements", "ops_elementwise_test.cpp:"}));
  CHECK(has_parts(error_of([&] {
                    mean_last(Tensor::zeros({4, 0}));
                  }),
                  {"mean_last: ", "(4, 0)", "ops_elementwise_test.cpp:"}));
  CHECK(
      has_parts(error_of([&] { sum_last(Tensor::scalar(1)); }), {"sum_last: ", "rank 0", "ops_elementwise_test.cpp:"}));
  for (const auto& f :
       {exp, log, sqrt, relu, gelu, gelu_tanh, silu, sigmoid, tape::tanh, sum, mean, sum_last, mean_last}) {
    CHECK(
        has_parts(error_of([&] { f(Tensor(), Where::here()); }), {"argument 1", "empty", "ops_elementwise_test.cpp:"}));
  }
  CHECK(has_parts(error_of([&] { scale(Tensor(), 2); }), {"scale: ", "empty"}));
}

TEST_CASE("The line of a message is the line of the call", "[errors]") {
  const std::string message = error_of([] { add(Tensor::zeros({1}), Tensor::zeros({2})); });
  CHECK(has_parts(message, {str("; from ops_elementwise_test.cpp:", __LINE__ - 1)}));
}

}  // namespace tape::test
