// 02_norm: inside LayerNorm and RMSNorm. What they compute, what they ignore, where they agree, what their derivative
// can not see, why the variance is computed around the mean, and what their relatives do.
//
//   build/release/bin/02_norm
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <tape/core/ops.h>
#include <tape/core/probe.h>
#include <tape/core/random.h>

using namespace tape;

namespace {

using Row = std::vector<double>;
using Norm = std::function<Tensor(const Tensor&)>;

constexpr double eps = 1e-5;
Tensor layer(const Tensor& x) {
  return layer_norm(x, {}, {}, eps);
}
Tensor rms(const Tensor& x) {
  return rms_norm(x, {}, {}, eps);
}

void title(std::string_view text) {
  fmt::print("\n{}\n{:-<{}}\n", text, "", text.size());
}

std::string listed(std::span<const real> values) {
  std::string text;
  for (const real v : values) text += fmt::format("{:8.3f}", v);
  return text;
}

double standard_deviation(const Tensor& x) {
  const Statistics s = statistics(x);
  return std::sqrt(std::max(0.0, s.rms * s.rms - s.mean * s.mean));
}

double largest_difference(const Tensor& a, const Tensor& b) {
  return statistics(a - b).max_abs;
}

// factor·x + shift.
Tensor affine(const Tensor& x, double factor, double shift) {
  return scale(x, factor) + Tensor::full(x.shape(), static_cast<real>(shift));
}

void what_they_compute(const Tensor& x) {
  title("1. What they compute");
  fmt::print(
      "  LayerNorm  y = (x - mean) / sqrt(variance + eps)\n"
      "  RMSNorm    y =     x      / sqrt(mean(x²) + eps)          (then both multiply by a learned weight)\n\n");
  const std::pair<const char*, Tensor> rows[] = {{"x", x}, {"LayerNorm(x)", layer(x)}, {"RMSNorm(x)", rms(x)}};
  fmt::print("  {:<13}{:<48}{:>9}{:>9}{:>9}\n", "", "  the six numbers of one row", "mean", "std", "rms");
  for (const auto& [name, row] : rows) {
    const Statistics s = statistics(row);
    fmt::print("  {:<13}{:<48}{:>9.3f}{:>9.3f}{:>9.3f}\n", name, listed(row.values()), s.mean, standard_deviation(row),
               s.rms);
  }
  fmt::print(
      "\nLayerNorm makes the mean 0 and the spread 1. RMSNorm makes the root mean square 1 and lets the mean be.\n"
      "RMSNorm does not divide by the standard deviation: that would be the same only for a mean of 0.\n");
}

void what_they_ignore(const Tensor& x) {
  title("2. What they ignore");
  fmt::print("The largest change of the output when the whole row changes:\n\n");
  fmt::print("  {:<22}{:>12}{:>12}\n", "x becomes", "LayerNorm", "RMSNorm");
  const std::tuple<const char*, double, double> changes[] = {
      {"10·x", 10, 0}, {"x + 5", 1, 5}, {"10·x + 5", 10, 5}, {"-x", -1, 0}};
  for (const auto& [name, factor, shift] : changes) {
    const Tensor changed = affine(x, factor, shift);
    fmt::print("  {:<22}{:>12.5f}{:>12.5f}\n", name, largest_difference(layer(changed), layer(x)),
               largest_difference(rms(changed), rms(x)));
  }
  fmt::print(
      "\nBoth ignore the scale of a row, up to eps. Only LayerNorm ignores a shift. Neither ignores the sign.\n");
}

void where_they_agree(const Tensor& x) {
  title("3. Where they agree");
  fmt::print(
      "On rows with mean 0 they are the same function. The further the mean is from 0, the less they agree:\n\n");
  fmt::print("  {:>12}{:>34}\n", "mean / std", "largest |LayerNorm - RMSNorm|");
  const Tensor centred = layer(x);  // mean 0, spread 1
  for (const double mean : {0.0, 0.01, 0.1, 0.5, 1.0, 10.0}) {
    const Tensor shifted = affine(centred, 1, mean);
    fmt::print("  {:>12}{:>34.5f}\n", mean, largest_difference(layer(shifted), rms(shifted)));
  }
}

// J[i][j] = ∂y_i/∂x_j: one way back along a tape for each output.
std::vector<Row> jacobian(const Norm& norm, const Tensor& x) {
  std::vector<Row> rows;
  for (int64_t i = 0; i < x.size(); ++i) {
    Tape tape;
    const Tensor input = tape.watch(x);
    const Tensor y = norm(input);
    Tensor dy = Tensor::zeros(y.shape());
    dy.mutable_data()[i] = 1;
    tape.backward(y, dy);
    const Tensor gradient = tape.grad(input);
    rows.emplace_back(gradient.values().begin(), gradient.values().end());
  }
  return rows;
}

// ‖J·v‖ / ‖v‖: how strongly the output answers to a small change of the input along v.
double gain(const std::vector<Row>& j, const Row& v) {
  double out = 0;
  double in = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < v.size(); ++k) sum += j[i][k] * v[k];
    out += sum * sum;
    in += v[i] * v[i];
  }
  return std::sqrt(out / in);
}

void what_the_derivative_can_not_see(const Tensor& x) {
  title("4. What the derivative can not see");
  fmt::print("What a function ignores, its Jacobian J maps to zero. Gain |J·v| / |v| along some directions v:\n\n");
  const Tensor deviation = layer(x);
  Random random(Seed{3});
  const Tensor noise = randn(x.shape(), random);
  const auto row = [](const Tensor& t) { return Row(t.values().begin(), t.values().end()); };
  const std::pair<const char*, Row> directions[] = {
      {"(1, 1, …, 1): a shift", Row(static_cast<std::size_t>(x.size()), 1.0)},
      {"x: a change of scale", row(x)},
      {"x - mean: of spread", row(deviation)},
      {"a random direction", row(noise)}};
  const std::vector<Row> of_layer = jacobian(layer, x);
  const std::vector<Row> of_rms = jacobian(rms, x);
  fmt::print("  {:<26}{:>12}{:>12}\n", "v", "LayerNorm", "RMSNorm");
  for (const auto& [name, v] : directions) {
    fmt::print("  {:<26}{:>12.5f}{:>12.5f}\n", name, gain(of_layer, v), gain(of_rms, v));
  }
  fmt::print(
      "\nLayerNorm loses two directions of {}, RMSNorm one. Gradients that come back through a norm have no part\n"
      "along them either: they can not change the scale of what was normalised.\n\n",
      x.size());
  fmt::print("And J shrinks as the row grows: the gain is about 1/std, or 1/rms.\n\n");
  fmt::print("  {:<26}{:>12}{:>12}\n", "gain along the random v at", "LayerNorm", "RMSNorm");
  for (const double factor : {0.1, 1.0, 10.0, 100.0}) {
    const Tensor scaled = scale(x, factor);
    fmt::print("  {:<26}{:>12.5f}{:>12.5f}\n", fmt::format("{}·x", factor), gain(jacobian(layer, scaled), row(noise)),
               gain(jacobian(rms, scaled), row(noise)));
  }
  fmt::print(
      "\nThis one fact is behind the residual schemes of 03_schemes: where the stream is large, a norm hands little\n"
      "gradient back.\n");
}

void large_means() {
  title("5. A row with a large mean");
  fmt::print(
      "The variance of 256 numbers with a spread of 1 around some mean, in float. The short formula subtracts two\n"
      "large numbers that are nearly equal; the library subtracts the mean first.\n\n");
  fmt::print("  {:>8}{:>18}{:>20}{:>32}\n", "mean", "exact variance", "mean(x²) - mean²", "largest error of LayerNorm");
  Random random(Seed{5});
  const Tensor noise = randn({1, 256}, random);
  for (const double mean : {0.0, 10.0, 1450.0, 20000.0}) {
    const Tensor x = affine(noise, 1, mean);
    const auto n = static_cast<real>(x.size());
    real sum = 0;
    real squares = 0;
    double exact_mean = 0;
    for (const real v : x.values()) {
      sum += v;
      squares += v * v;
      exact_mean += static_cast<double>(v) / static_cast<double>(n);
    }
    double variance = 0;
    for (const real v : x.values())
      variance += std::pow(static_cast<double>(v) - exact_mean, 2) / static_cast<double>(n);
    const real short_formula = squares / n - (sum / n) * (sum / n);
    const Tensor y = layer(x);
    double error = 0;
    for (std::size_t i = 0; i < y.values().size(); ++i) {
      const double exact = (static_cast<double>(x.values()[i]) - exact_mean) / std::sqrt(variance + eps);
      error = std::max(error, std::fabs(static_cast<double>(y.values()[i]) - exact));
    }
    fmt::print("  {:>8}{:>18.6f}{:>20.6f}{:>32.1e}\n", mean, variance, short_formula, error);
  }
}

void relatives(const Tensor& x) {
  title("6. Relatives");
  fmt::print(
      "  ScaleNorm  y = g·x / |x|          one gain for the whole row, here sqrt(6): then it is RMSNorm\n"
      "  pRMSNorm   y = x / sqrt(mean(x²) of the first columns + eps)          here a third of them\n"
      "  DyT        y = tanh(a·x)          no statistic at all: each number by itself, here a = 0.5\n"
      "  Derf       y = erf(a·x + s)       the same with the error function, here s = 0\n\n");
  const Tensor gain = Tensor::full({1}, static_cast<real>(std::sqrt(static_cast<double>(x.size()))));
  const Tensor half = Tensor::full({1}, real{0.5});
  const Tensor zero = Tensor::zeros({1});
  const std::pair<const char*, Norm> norms[] = {
      {"RMSNorm", rms},
      {"ScaleNorm", [&](const Tensor& t) { return scale_norm(t, gain, eps); }},
      {"pRMSNorm", [&](const Tensor& t) { return rms_norm(t, {}, {}, {.eps = eps, .partial = 1.0 / 3}); }},
      {"DyT", [&](const Tensor& t) { return dyt(t, half, {}, {}); }},
      {"Derf", [&](const Tensor& t) { return derf(t, half, zero, {}, {}); }}};
  fmt::print("  {:<12}{:<48}{:>16}{:>18}\n", "", "  the same row", "change at 10·x", "change at x + 5");
  for (const auto& [name, norm] : norms) {
    fmt::print("  {:<12}{:<48}{:>16.5f}{:>18.5f}\n", name, listed(norm(x).values()),
               largest_difference(norm(affine(x, 10, 0)), norm(x)), largest_difference(norm(affine(x, 1, 5)), norm(x)));
  }
  fmt::print(
      "\nScaleNorm is RMSNorm here. pRMSNorm lets one large number through where its columns do not see it. DyT and\n"
      "Derf keep each number within 1 but do not ignore the scale: large numbers all become 1 or -1, and where they\n"
      "do, nothing of the gradient comes back.\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--help") {
    fmt::print("02_norm shows what norms compute and ignore; it takes no options.\n");
    return 0;
  }
  if (argc > 1) {
    fmt::print(stderr, "02_norm: it takes no options, given {}\n", argv[1]);
    return 2;
  }
  const Tensor x = Tensor::from({1, 6}, {1.0f, 2.0f, 4.0f, -1.0f, 0.5f, 2.5f});
  what_they_compute(x);
  what_they_ignore(x);
  where_they_agree(x);
  what_the_derivative_can_not_see(x);
  large_means();
  relatives(x);
  fmt::print("\nNext: 03_schemes shows what changes with the place of the norm; nn/norm.h is the module.\n");
}
