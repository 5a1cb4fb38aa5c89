#include "support/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <tape/core/tape.h>

#include "catch.h"

namespace tape::inline TAPE_ABI::test {

namespace {

// A tensor that f depends on: its numbers, which may be changed, and the gradient that backward gave.
struct Variable {
  std::string name;
  real* data;
  Tensor gradient;
};

double norm(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

GradientError compare(const std::string& name, const std::vector<double>& analytic,
                      const std::vector<double>& numeric) {
  std::vector<double> apart(analytic.size());
  std::ranges::transform(analytic, numeric, apart.begin(), std::minus<>());
  GradientError result{name, 0, norm(analytic), norm(numeric)};
  const double sum = result.analytic + result.numeric;
  result.error = sum == 0 ? 0 : norm(apart) / sum;
  return result;
}

// Derivative at 0 of objective(t), which sets the variables to their values at distance t.
template <class Objective>
double derivative(double h, Objective&& objective) {
  const double far = objective(-2 * h) - objective(2 * h);
  return (far + 8 * (objective(h) - objective(-h))) / (12 * h);
}

class Checker {
 public:
  Checker(std::function<double()> objective, const GradCheckOptions& options)
      : objective_(std::move(objective)), options_(options), engine_(options.seed + 12345) {}

  // The worse of the comparison by elements and, for a large tensor, of that by directions.
  GradientError check(const Variable& x) {
    const int64_t n = x.gradient.size();
    if (n <= options_.elements) {
      std::vector<int64_t> all(static_cast<std::size_t>(n));
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
      return by_elements(x, all);
    }
    std::vector<int64_t> some(static_cast<std::size_t>(options_.elements));
    std::ranges::generate(some, [&] { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); });
    const GradientError elements = by_elements(x, some);
    const GradientError directions = by_directions(x);
    return elements.error > directions.error ? elements : directions;
  }

 private:
  GradientError by_elements(const Variable& x, const std::vector<int64_t>& elements) {
    std::vector<double> analytic;
    std::vector<double> numeric;
    for (const int64_t i : elements) {
      const real before = x.data[i];
      numeric.push_back(derivative(options_.step, [&](double t) {
        x.data[i] = static_cast<real>(before + t);
        return objective_();
      }));
      x.data[i] = before;
      analytic.push_back(x.gradient.data()[i]);
    }
    return compare(x.name, analytic, numeric);
  }

  GradientError by_directions(const Variable& x) {
    constexpr int directions = 16;
    const int64_t n = x.gradient.size();
    const std::vector<real> before(x.data, x.data + n);
    std::vector<double> analytic;
    std::vector<double> numeric;
    for (int d = 0; d < directions; ++d) {
      const Tensor direction = random_tensor(x.gradient.shape(), engine_());
      numeric.push_back(derivative(options_.step, [&](double t) {
        for (int64_t i = 0; i < n; ++i) {
          x.data[i] = static_cast<real>(before[static_cast<std::size_t>(i)] + t * direction.data()[i]);
        }
        return objective_();
      }));
      std::ranges::copy(before, x.data);
      double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x.gradient.data()[i]) * direction.data()[i];
      analytic.push_back(sum);
    }
    return compare(x.name, analytic, numeric);
  }

  std::function<double()> objective_;
  const GradCheckOptions& options_;
  std::mt19937_64 engine_;
};

}  // namespace

std::vector<GradientError> gradient_errors(const Function& f, const Inputs& inputs, const ParameterList& parameters,
                                           const GradCheckOptions& options) {
  Inputs own;  // perturbed in place: the caller's tensors stay as they are
  for (const Tensor& x : inputs) own.push_back(x.copy());
  for (const LeafPtr& leaf : parameters) leaf->has_gradient = false;

  std::vector<Variable> variables;
  Tensor dy;
  {
    Tape tape;
    Inputs watched;
    for (const Tensor& x : own) watched.push_back(tape.watch(x));
    const Tensor y = f(watched);
    dy = cotangent(y.shape(), options.seed);
    tape.backward(y, dy);
    for (std::size_t i = 0; i < own.size(); ++i) {
      variables.push_back({str("input ", i), own[i].mutable_data(), tape.grad(watched[i]).copy()});
    }
  }
  for (const LeafPtr& leaf : parameters) {
    const Tensor gradient = leaf->has_gradient ? leaf->gradient_tensor().copy() : Tensor::zeros(leaf->shape);
    variables.push_back({leaf->name, leaf->data(), gradient});
    leaf->has_gradient = false;
  }

  const NoRecord suspended;
  Checker checker(
      [&] {
        const Tensor y = f(own);
        double sum = 0;
        for (int64_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y.data()[i]) * dy.data()[i];
        return sum;
      },
      options);
  std::vector<GradientError> errors;
  for (const Variable& x : variables) errors.push_back(checker.check(x));
  return errors;
}

void check_gradients(const Function& f, const Inputs& inputs, const ParameterList& parameters,
                     const GradCheckOptions& options) {
  int position = 0;
  for (const GradientError& e : gradient_errors(f, inputs, parameters, options)) {
    INFO("gradient of " << e.name << ": analytic norm " << e.analytic << ", numeric norm " << e.numeric);
    if (std::ranges::count(options.zero, position++) > 0) {
      CHECK(e.analytic < 1e-9);
      CHECK(e.numeric < 1e-9);
    } else {
      CHECK(e.error < options.tolerance);
      CHECK(e.numeric > options.tiny);
    }
  }
}

}  // namespace tape::inline TAPE_ABI::test
