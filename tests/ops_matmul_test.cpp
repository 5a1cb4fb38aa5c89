// Matrix products: values by hand, shapes, messages. Accuracy and bits are tested with GEMM.
#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

TEST_CASE("matmul by hand, with all transpositions", "[matmul]") {
  const Tensor a = Tensor::from({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor b = Tensor::from({3, 2}, {1, 0, 0, 1, 2, 2});
  const Tensor c = Tensor::from({2, 2}, {7, 8, 16, 17});
  const Tensor at = Tensor::from({3, 2}, {1, 4, 2, 5, 3, 6});
  const Tensor bt = Tensor::from({2, 3}, {1, 0, 2, 0, 1, 2});
  CHECK(same_bits(matmul(a, b), c));
  CHECK(same_bits(matmul(at, b, Transpose::yes), c));
  CHECK(same_bits(matmul(a, bt, Transpose::no, Transpose::yes), c));
  CHECK(same_bits(matmul(at, bt, Transpose::yes, Transpose::yes), c));
}

TEST_CASE("matmul of batches multiplies pair by pair", "[matmul]") {
  const Tensor a = Tensor::from({2, 1, 2}, {1, 2, 3, 4});
  const Tensor b = Tensor::from({2, 2, 1}, {1, 1, 10, 1});
  CHECK(same_bits(matmul(a, b), Tensor::from({2, 1, 1}, {3, 34})));
  CHECK(matmul(Tensor::zeros({2, 3, 4, 5}), Tensor::zeros({2, 3, 5, 6})).shape() == Shape{2, 3, 4, 6});
}

TEST_CASE("Products over an empty axis are zero", "[matmul]") {
  poison_pool();
  CHECK(same_bits(matmul(Tensor::zeros({2, 0}), Tensor::zeros({0, 3})), Tensor::zeros({2, 3})));
  CHECK(same_bits(matmul(Tensor::zeros({2, 2, 0}), Tensor::zeros({2, 0, 3})), Tensor::zeros({2, 2, 3})));
  CHECK(matmul(Tensor::zeros({0, 2}), Tensor::zeros({2, 3})).shape() == Shape{0, 3});
  const ValueAndGradients r = differentiate([](const Inputs& x) { return matmul(x[0], x[1]); },
                                            {Tensor::zeros({0, 2}), random_tensor({2, 3}, 1)});
  CHECK(same_bits(r.gradients[1], Tensor::zeros({2, 3})));
}

TEST_CASE("linear by hand", "[matmul]") {
  const Tensor x = Tensor::from({2, 1, 2}, {1, 2, 3, 4});
  const Tensor w = Tensor::from({3, 2}, {1, 0, 0, 1, 1, 1});
  const Tensor bias = Tensor::from({3}, {10, 20, 30});
  CHECK(same_bits(linear(x, w), Tensor::from({2, 1, 3}, {1, 2, 3, 3, 4, 7})));
  CHECK(same_bits(linear(x, w, bias), Tensor::from({2, 1, 3}, {11, 22, 33, 13, 24, 37})));
  CHECK(linear(Tensor::from({2}, {1, 2}), w).shape() == Shape{3});
  CHECK(linear(Tensor::zeros({0, 2}), w, bias).shape() == Shape{0, 3});
}

TEST_CASE("Products that do not fit say why", "[matmul][errors]") {
  const auto message = [](const Shape& a, const Shape& b, Transpose ta = Transpose::no, Transpose tb = Transpose::no) {
    return error_of([&] { matmul(Tensor::zeros(a), Tensor::zeros(b), ta, tb); });
  };
  CHECK(
      has_parts(message({2, 3}, {2, 3}), {"matmul: ", "a (2, 3)", "b (2, 3)", "summed sizes", "ops_matmul_test.cpp:"}));
  CHECK(has_parts(message({2, 3}, {3, 4}, Transpose::yes), {"(2, 3) transposed", "(3, 4)"}));
  CHECK(has_parts(message({2, 3}, {3, 4}, Transpose::no, Transpose::yes), {"(2, 3)", "(3, 4) transposed"}));
  CHECK(has_parts(message({2, 2, 3}, {3, 3, 4}), {"(2, 2, 3)", "(3, 3, 4)", "leading sizes"}));
  CHECK(has_parts(message({2, 2, 3}, {3, 4}), {"(2, 2, 3)", "(3, 4)", "rank"}));
  CHECK(has_parts(message({3}, {3}), {"(3)", "at least 2"}));
  CHECK(has_parts(error_of([] { matmul(Tensor::zeros({2, 2}), Tensor()); }), {"matmul: ", "argument 2"}));
}

TEST_CASE("linear names the parameter that does not fit", "[matmul][errors]") {
  const Parameter weight = parameter_of(Tensor::zeros({5, 4}), "head.weight");
  const Parameter bias = parameter_of(Tensor::zeros({4}), "head.bias");
  CHECK(has_parts(error_of([&] {
                    linear(Tensor::zeros({2, 3}), weight);
                  }),
                  {"linear: ", "x (2, 3)", "head.weight (5, 4)", "must equal", "4", "ops_matmul_test.cpp:"}));
  CHECK(has_parts(error_of([&] {
                    linear(Tensor::zeros({2, 4}), weight, bias);
                  }),
                  {"linear: ", "head.bias (4)", "(5)"}));
  CHECK(has_parts(error_of([&] { linear(Tensor::zeros({2, 3}), Tensor::zeros({3})); }), {"linear: ", "(2, 3)", "(3)"}));
  CHECK(has_parts(error_of([&] { linear(Tensor(), weight); }), {"linear: ", "argument 1", "empty"}));
  CHECK(has_parts(error_of([&] { linear(Tensor::scalar(1), weight); }), {"linear: ", "()"}));
}

}  // namespace tape::test
