// top_k, gather_last, combine_rows and the gated activations: values by hand, twins of simpler ops, messages.
#include <algorithm>
#include <limits>
#include <set>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

using In = const Inputs&;

void check_twins(const Function& fused, const Function& composed, const Inputs& inputs, double tolerance) {
  const ValueAndGradients a = differentiate(fused, inputs);
  const ValueAndGradients b = differentiate(composed, inputs);
  CHECK(difference(a.value, b.value, 0.1) < tolerance);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    INFO("gradient of input " << i);
    CHECK(difference(a.gradients[i], b.gradients[i], 0.1) < 5 * tolerance);
  }
}

std::vector<int32_t> top(const Tensor& x, int64_t k) {
  const Ids ids = top_k(x, k);
  return {ids.values().begin(), ids.values().end()};
}

}  // namespace

TEST_CASE("top_k by hand: largest first, of equal numbers the first", "[routing]") {
  using Places = std::vector<int32_t>;
  const Tensor x = Tensor::from({2, 4}, {1, 3, -2, 2, 5, 7, 7, 5});
  CHECK(top(x, 1) == Places{1, 1});
  CHECK(top(x, 3) == Places{1, 3, 0, 1, 2, 0});
  CHECK(top(x, 4) == Places{1, 3, 0, 2, 1, 2, 0, 3});
  CHECK(top(Tensor::zeros({3}), 2) == Places{0, 1});
  CHECK(top(Tensor::from({2}, {-0.0f, 0.0f}), 1) == Places{0});
  CHECK(top_k(Tensor::zeros({0, 5}), 2).shape() == Shape{0, 2});
  CHECK(top_k(Tensor::zeros({2, 3, 5}), 2).shape() == Shape{2, 3, 2});
}

TEST_CASE("top_k gives different places within the row whatever the numbers are", "[routing]") {
  constexpr real nan = std::numeric_limits<real>::quiet_NaN();
  constexpr real infinity = std::numeric_limits<real>::infinity();
  for (const Tensor& x : {Tensor::full({4}, nan), Tensor::full({4}, -infinity), Tensor::from({4}, {1, nan, 2, nan}),
                          Tensor::from({4}, {nan, 1, 2, 3})}) {
    const std::vector<int32_t> places = top(x, 4);
    CHECK(std::set<int32_t>(places.begin(), places.end()) == std::set<int32_t>{0, 1, 2, 3});
  }
}

TEST_CASE("gather_last and combine_rows by hand", "[routing]") {
  const Tensor x = Tensor::from({2, 3}, {1, 2, 3, 10, 20, 30});
  CHECK(same_bits(gather_last(x, Ids::from({2, 2}, {2, 0, 1, 1})), Tensor::from({2, 2}, {3, 1, 20, 20})));
  CHECK(same_bits(combine_rows(x, Ids::from({3, 2}, {0, 1, 1, 1, 0, 0}), Tensor::from({3, 2}, {1, 2, 3, -1, 1, 0})),
                  Tensor::from({3, 3}, {21, 42, 63, 20, 40, 60, 1, 2, 3})));
  CHECK(combine_rows(x, Ids(Shape{4, 0}), Tensor::zeros({4, 0})).shape() == Shape{4, 3});
}

TEST_CASE("gather_last equals products with one-hot rows", "[routing][twins]") {
  for (const int64_t rows : {1, 40, 700}) {
    const Ids ids = random_ids({rows, 3}, 31, 1);
    const auto composed = [&](In x) {
      std::vector<Tensor> columns;
      for (int64_t j = 0; j < 3; ++j) {
        Tensor hot = Tensor::zeros({rows, 31});
        for (int64_t r = 0; r < rows; ++r) hot.mutable_data()[r * 31 + ids.data()[r * 3 + j]] = 1;
        columns.push_back(reshape(sum_last(x[0] * hot), {rows, 1}));
      }
      return concatenate(columns, 1);
    };
    check_twins([&](In x) { return gather_last(x[0], ids); }, composed, {random_tensor({rows, 31}, 2)}, 1e-6);
  }
}

TEST_CASE("combine_rows equals products of gathered rows with their weights", "[routing][twins]") {
  for (const int64_t rows : {1, 40, 700}) {
    const Ids ids = random_ids({rows, 3}, 17, 3);
    const auto composed = [&](In x) {
      const Tensor chosen = reshape(gather_rows(x[0], ids.reshaped({3 * rows})), {rows, 3, 130});
      return reshape(matmul(reshape(x[1], {rows, 1, 3}), chosen), {rows, 130});
    };
    check_twins([&](In x) { return combine_rows(x[0], ids, x[1]); }, composed,
                {random_tensor({17, 130}, 4), random_tensor({rows, 3}, 5)}, 2e-6);
  }
}

TEST_CASE("Gated activations equal products of simpler ops", "[activation][twins]") {
  for (const Shape& shape : {Shape{1, 1}, Shape{7, 33}, Shape{100, 768}}) {
    const Inputs inputs = {random_tensor(shape, 6, -4, 4), random_tensor(shape, 7, -2, 2)};
    check_twins([](In x) { return swiglu(x[0], x[1]); }, [](In x) { return silu(x[0]) * x[1]; }, inputs, 1e-6);
    check_twins([](In x) { return geglu(x[0], x[1]); }, [](In x) { return gelu(x[0]) * x[1]; }, inputs, 1e-6);
    check_twins([](In x) { return reglu(x[0], x[1]); }, [](In x) { return relu(x[0]) * x[1]; }, inputs, 1e-6);
    check_twins([](In x) { return squared_relu(x[0]); }, [](In x) { return relu(x[0]) * relu(x[0]); }, {inputs[0]},
                1e-6);
  }
}

TEST_CASE("Activations with a corner are right at it", "[activation]") {
  const Tensor x = Tensor::from({3}, {-3, 0, 3});
  CHECK(same_bits(squared_relu(x), Tensor::from({3}, {0, 0, 9})));
  const auto slope = [&](const Function& f) { return differentiate(f, {x}, Tensor::full({3}, 1)).gradients[0]; };
  CHECK(same_bits(slope([](In in) { return squared_relu(in[0]); }), Tensor::from({3}, {0, 0, 6})));
  CHECK(same_bits(slope([](In in) { return reglu(in[0], Tensor::full({3}, 5)); }), Tensor::from({3}, {0, 0, 5})));
}

TEST_CASE("Ops of routing say what does not fit", "[routing][errors]") {
  const Tensor x = Tensor::zeros({2, 3});
  const std::string file = "ops_routing_test.cpp:";
  CHECK(has_parts(error_of([&] { top_k(x, 0); }), {"top_k: ", "(2, 3)", "it is 0", file}));
  CHECK(has_parts(error_of([&] { top_k(x, 4); }), {"top_k: ", "(2, 3)", "it is 4", file}));
  CHECK(has_parts(error_of([&] { top_k(Tensor::scalar(1), 1); }), {"top_k: ", file}));
  CHECK(has_parts(error_of([&] { gather_last(x, Ids({3, 1})); }), {"gather_last: ", "(3, 1)", "(2, 3)", file}));
  CHECK(has_parts(error_of([&] {
                    gather_last(x, Ids::from({2, 1}, {0, 3}));
                  }),
                  {"gather_last: ", "id 3", "position 1", "below 3", "(2, 3)", file}));
  CHECK(has_parts(error_of([&] {
                    combine_rows(Tensor::zeros({2}), Ids({1, 1}), Tensor::zeros({1, 1}));
                  }),
                  {"combine_rows: ", "(2)", "rank 2", file}));
  CHECK(has_parts(error_of([&] {
                    combine_rows(x, Ids({4, 1}), Tensor::zeros({4, 2}));
                  }),
                  {"combine_rows: ", "(4, 1)", "(4, 2)", "one shape", file}));
  CHECK(has_parts(error_of([&] {
                    combine_rows(x, Ids::from({2, 1}, {-1, 0}), Tensor::zeros({2, 1}));
                  }),
                  {"combine_rows: ", "id -1", "position 0", "below 2", file}));
  CHECK(has_parts(error_of([&] { swiglu(x, Tensor::zeros({3, 2})); }), {"swiglu: ", "(2, 3)", "(3, 2)", file}));
}

}  // namespace tape::test
