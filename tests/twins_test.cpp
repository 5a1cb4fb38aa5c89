// Each fused op against a twin composed of simpler ops, in f32: the value and all gradients, from one row to more than
// one block of them.
#include <array>
#include <cmath>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

using In = const Inputs&;

// Calls check(rows, columns) for small and large sizes, above the number of rows and columns of one block too.
template <class Check>
void over_sizes(Check&& check) {
  for (const int64_t rows : {1, 5, 100, 1000}) {
    for (const int64_t columns : {1, 7, 64, 768}) {
      INFO(rows << " x " << columns);
      check(rows, columns);
    }
  }
}

// A column (R) repeated C times, and a row (C) repeated R times: products with ones.
Tensor across(const Tensor& column, int64_t columns) {
  return matmul(reshape(column, {column.size(), 1}), Tensor::full({1, columns}, 1));
}
Tensor down(const Tensor& row, int64_t rows) {
  return matmul(Tensor::full({rows, 1}, 1), reshape(row, {1, row.size()}));
}
Tensor ones_like(const Tensor& x) {
  return Tensor::full(x.shape(), 1);
}

void check_twins(const Function& fused, const Function& composed, const Inputs& inputs, double tolerance) {
  const ValueAndGradients a = differentiate(fused, inputs);
  const ValueAndGradients b = differentiate(composed, inputs);
  // Where the true value is zero both have only rounding: the floor stands for the size of the numbers that go in.
  constexpr double floor = 0.1;
  CHECK(difference(a.value, b.value, floor) < tolerance);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    INFO("gradient of input " << i);
    CHECK(difference(a.gradients[i], b.gradients[i], floor) < 5 * tolerance);
  }
}

Tensor composed_norm(bool centered, const Tensor& x, const Tensor& w, const Tensor& b, double eps) {
  const int64_t columns = x.last();
  const Tensor centre = centered ? x - across(mean_last(x), columns) : x;
  const Tensor variance = mean_last(centre * centre);
  const Tensor deviation = sqrt(variance + Tensor::full(variance.shape(), static_cast<real>(eps)));
  return add_bias(centre / across(deviation, columns) * down(w, x.rows()), b);
}

Tensor composed_softmax(const Tensor& x) {
  const Tensor e = exp(x);
  return e / across(sum_last(e), x.last());
}

Tensor composed_log_softmax(const Tensor& x) {
  return x - across(log(sum_last(exp(x))), x.last());
}

}  // namespace

TEST_CASE("layer_norm and rms_norm equal their formulas in simpler ops", "[twins][norm]") {
  over_sizes([](int64_t rows, int64_t columns) {
    const Inputs inputs = {random_tensor({rows, columns}, 1, -2, 3), random_tensor({columns}, 2, 0.5, 2),
                           random_tensor({columns}, 3)};
    check_twins([](In x) { return layer_norm(x[0], x[1], x[2], 0.02); },
                [](In x) { return composed_norm(true, x[0], x[1], x[2], 0.02); }, inputs, 4e-6);
    check_twins([](In x) { return rms_norm(x[0], x[1], x[2], 0.02); },
                [](In x) { return composed_norm(false, x[0], x[1], x[2], 0.02); }, inputs, 4e-6);
  });
}

TEST_CASE("Norms without weight or bias equal those with ones and zeros", "[twins][norm]") {
  for (const bool centered : {true, false}) {
    const auto norm = [=](const Tensor& x, const Tensor& w, const Tensor& b) {
      return centered ? layer_norm(x, w, b) : rms_norm(x, w, b);
    };
    const Inputs x = {random_tensor({70, 33}, 4)};
    const Tensor one = Tensor::full({33}, 1);
    const Tensor zero = Tensor::zeros({33});
    const ValueAndGradients full = differentiate([&](In in) { return norm(in[0], one, zero); }, x);
    for (const auto& [w, b] : {std::pair(Tensor(), Tensor()), std::pair(one, Tensor()), std::pair(Tensor(), zero)}) {
      const ValueAndGradients part = differentiate([&, w = w, b = b](In in) { return norm(in[0], w, b); }, x);
      CHECK(difference(part.value, full.value) < 1e-6);
      CHECK(difference(part.gradients[0], full.gradients[0]) < 1e-6);
    }
  }
}

TEST_CASE("softmax and log_softmax equal their formulas in simpler ops", "[twins][softmax]") {
  over_sizes([](int64_t rows, int64_t columns) {
    const Inputs inputs = {random_tensor({rows, columns}, 5, -4, 4)};
    check_twins([](In x) { return softmax(x[0]); }, [](In x) { return composed_softmax(x[0]); }, inputs, 4e-6);
    check_twins([](In x) { return log_softmax(x[0]); }, [](In x) { return composed_log_softmax(x[0]); }, inputs, 4e-6);
  });
}

TEST_CASE("cross_entropy equals a sum over log_softmax", "[twins][loss]") {
  over_sizes([](int64_t rows, int64_t columns) {
    for (const double smoothing : {0.0, 0.1}) {
      Ids targets = random_ids({rows}, static_cast<int32_t>(columns), 6);
      double counted = static_cast<double>(rows);
      if (rows > 2) {
        targets.mutable_data()[2] = -100;
        counted -= 1;
      }
      Tensor weights =
          Tensor::full({rows, columns}, static_cast<real>(-smoothing / static_cast<double>(columns) / counted));
      for (int64_t r = 0; r < rows; ++r) {
        const int32_t target = targets.data()[r];
        real* row = weights.mutable_data() + r * columns;
        if (target < 0) {
          std::fill_n(row, columns, real{0});
        } else {
          row[target] -= static_cast<real>((1 - smoothing) / counted);
        }
      }
      check_twins([&](In x) { return cross_entropy(x[0], targets, {.label_smoothing = smoothing}); },
                  [&](In x) { return sum(log_softmax(x[0]) * weights); }, {random_tensor({rows, columns}, 7, -4, 4)},
                  4e-6);
    }
  });
}

TEST_CASE("linear equals matmul and add_bias", "[twins][matmul]") {
  over_sizes([](int64_t rows, int64_t columns) {
    const int64_t out = columns / 2 + 3;
    const Inputs inputs = {random_tensor({rows, columns}, 8), random_tensor({out, columns}, 9),
                           random_tensor({out}, 10)};
    check_twins([](In x) { return linear(x[0], x[1], x[2]); },
                [](In x) { return add_bias(matmul(x[0], x[1], Transpose::no, Transpose::yes), x[2]); }, inputs, 1e-6);
    check_twins([](In x) { return linear(x[0], x[1]); },
                [](In x) { return matmul(x[0], x[1], Transpose::no, Transpose::yes); }, {inputs[0], inputs[1]}, 1e-6);
  });
}

TEST_CASE("A batch of products equals its products one by one", "[twins][matmul]") {
  const Inputs inputs = {random_tensor({3, 20, 70}, 11), random_tensor({3, 70, 9}, 12)};
  const auto one = [](In x, int64_t i) {
    return matmul(reshape(slice(x[0], 0, i, i + 1), {20, 70}), reshape(slice(x[1], 0, i, i + 1), {70, 9}));
  };
  check_twins([](In x) { return matmul(x[0], x[1]); },
              [&](In x) {
                return reshape(concatenate({one(x, 0), one(x, 1), one(x, 2)}, 0), {3, 20, 9});
              },
              inputs, 1e-6);
}

TEST_CASE("Activations equal their formulas in simpler ops", "[twins][activation]") {
  over_sizes([](int64_t rows, int64_t columns) {
    const Inputs inputs = {random_tensor({rows, columns}, 13, -4, 4)};
    const auto logistic = [](const Tensor& x) { return ones_like(x) / (ones_like(x) + exp(scale(x, -1))); };
    const auto hyperbolic = [&](const Tensor& x) { return scale(logistic(scale(x, 2)), 2) - ones_like(x); };
    const double c = std::sqrt(2 / M_PI);
    check_twins([](In x) { return sigmoid(x[0]); }, [&](In x) { return logistic(x[0]); }, inputs, 1e-6);
    check_twins([](In x) { return tape::tanh(x[0]); }, [&](In x) { return hyperbolic(x[0]); }, inputs, 1e-6);
    check_twins([](In x) { return silu(x[0]); }, [&](In x) { return x[0] * logistic(x[0]); }, inputs, 1e-6);
    check_twins([](In x) { return gelu_tanh(x[0]); },
                [&](In x) {
                  const Tensor u = scale(axpy(0.044715, x[0] * x[0] * x[0], x[0]), c);
                  return scale(x[0], 0.5) * (ones_like(x[0]) + hyperbolic(u));
                },
                inputs, 2e-6);
  });
}

// The same numbers in the same order: not one bit may differ.
TEST_CASE("A linear layer with activation or residual equals its parts bit by bit", "[twins][matmul][bits]") {
  const auto check_bits = [](const Function& fused, const Function& composed, const Inputs& inputs) {
    const ValueAndGradients a = differentiate(fused, inputs);
    const ValueAndGradients b = differentiate(composed, inputs);
    CHECK(different_bits(a.value, b.value) == 0);
    for (std::size_t i = 0; i < inputs.size(); ++i) CHECK(different_bits(a.gradients[i], b.gradients[i]) == 0);
  };
  for (const auto& [rows, in, out] :
       {std::array<int64_t, 3>{1, 3, 5}, {70, 33, 129}, {1100, 40, 300}, {300, 5, 1100}}) {
    INFO(rows << " x " << in << " x " << out);
    const Inputs inputs = {random_tensor({rows, in}, 1, -3, 3), random_tensor({out, in}, 2), random_tensor({out}, 3),
                           random_tensor({rows, out}, 4)};
    const Inputs layer(inputs.begin(), inputs.begin() + 3);
    for (const Pointwise* f :
         {&pointwise::relu, &pointwise::squared_relu, &pointwise::gelu, &pointwise::gelu_tanh, &pointwise::silu}) {
      check_bits([f](In x) { return linear_activated(*f, x[0], x[1], x[2]); },
                 [f](In x) { return (*f)(linear(x[0], x[1], x[2])); }, layer);
    }
    check_bits([](In x) { return linear_added(x[3], x[0], x[1], x[2]); },
               [](In x) { return add(x[3], linear(x[0], x[1], x[2])); }, inputs);
  }
}

TEST_CASE("scale, axpy and subtract equal products and sums with constants", "[twins][elementwise]") {
  over_sizes([](int64_t rows, int64_t columns) {
    const Inputs inputs = {random_tensor({rows, columns}, 14), random_tensor({rows, columns}, 15)};
    const auto times = [](double factor, const Tensor& x) {
      return x * Tensor::full(x.shape(), static_cast<real>(factor));
    };
    check_twins([](In x) { return axpy(1.7, x[0], x[1]); }, [&](In x) { return times(1.7, x[0]) + x[1]; }, inputs,
                1e-6);
    check_twins([](In x) { return x[0] - x[1]; }, [](In x) { return x[0] + scale(x[1], -1); }, inputs, 1e-6);
    check_twins([](In x) { return mean_last(x[0]); },
                [=](In x) { return scale(sum_last(x[0]), 1.0 / static_cast<double>(columns)); }, {inputs[0]}, 1e-6);
    check_twins([](In x) { return mean(x[0]); }, [](In x) { return mean(mean_last(x[0])); }, {inputs[0]}, 1e-6);
    check_twins([](In x) { return sum(x[0]); }, [](In x) { return sum(sum_last(x[0])); }, {inputs[0]}, 1e-6);
  });
}

TEST_CASE("embedding and gather_rows equal products with one-hot rows", "[twins][embedding]") {
  for (const int64_t count : {1, 40, 700}) {
    const Ids ids = random_ids({count}, 31, 16);
    Tensor hot = Tensor::zeros({count, 31});
    for (int64_t i = 0; i < count; ++i) hot.mutable_data()[i * 31 + ids.data()[i]] = 1;
    const Inputs inputs = {random_tensor({31, 130}, 17)};
    check_twins([&](In x) { return embedding(x[0], ids); }, [&](In x) { return matmul(hot, x[0]); }, inputs, 1e-6);
    check_twins([&](In x) { return gather_rows(x[0], ids); }, [&](In x) { return matmul(hot, x[0]); }, inputs, 1e-6);
  }
}

}  // namespace tape::test
