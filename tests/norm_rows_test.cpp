// Norms of rows that are hard: huge, tiny, (nearly) constant, zero, far from zero, at the edge of epsilon. Each against
// its formula in double, on the f32 numbers as they are. Public code has got most of these wrong once; the tests say
// where.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

using In = const Inputs&;

enum class Kind { layer, rms, scale };

// y and dx of one row in double, without weight or bias. ScaleNorm has gain 1.
struct Exact {
  std::vector<double> y, dx;
};
Exact exact_row(Kind kind, std::span<const real> x, std::span<const real> dy, const NormOptions& o) {
  const auto n = static_cast<double>(x.size());
  double mean = 0;
  for (const real v : x) mean += kind == Kind::layer ? static_cast<double>(v) / n : 0;
  const auto seen =
      kind == Kind::rms ? static_cast<std::size_t>(std::llround(std::ceil(o.partial * n - 1e-9))) : x.size();
  double squares = 0;
  for (std::size_t i = 0; i < seen; ++i) squares += std::pow(static_cast<double>(x[i]) - mean, 2);
  const double s = kind == Kind::scale ? std::sqrt(squares) : std::sqrt(squares / static_cast<double>(seen));
  double r = o.eps_place == EpsPlace::inside ? 1 / std::sqrt(s * s + o.eps) : 1 / (s + o.eps);
  double slope = o.eps_place == EpsPlace::inside ? 1 : (s + o.eps) / s;
  double count = static_cast<double>(seen);
  if (kind == Kind::scale) {
    r = 1 / std::max(s, o.eps);
    slope = s > o.eps ? 1 : 0;
    count = 1;
  }
  double sum_g = 0;
  double sum_gx = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum_g += kind == Kind::layer ? static_cast<double>(dy[i]) : 0;
    sum_gx += static_cast<double>(dy[i]) * (static_cast<double>(x[i]) - mean) * r;
  }
  Exact e;
  for (std::size_t i = 0; i < x.size(); ++i) {
    e.y.push_back((static_cast<double>(x[i]) - mean) * r);
    e.dx.push_back(r * (static_cast<double>(dy[i]) - sum_g / n - (i < seen ? e.y[i] * slope * sum_gx / count : 0)));
  }
  return e;
}

Tensor apply(Kind kind, const Tensor& x, const NormOptions& o) {
  switch (kind) {
    case Kind::layer:
      return layer_norm(x, {}, {}, o);
    case Kind::rms:
      return rms_norm(x, {}, {}, o);
    case Kind::scale:
      return scale_norm(x, Tensor::full({1}, 1), o.eps);
  }
  return x;
}

// The largest error of y and dx over the rows of x, each relative to the row's largest number.
struct Errors {
  double y = 0;
  double dx = 0;
};
Errors errors(Kind kind, const Tensor& x, const NormOptions& o) {
  const Tensor dy = cotangent(x.shape(), 11);
  const ValueAndGradients ours = differentiate([&](In in) { return apply(kind, in[0], o); }, {x}, dy);
  const auto columns = static_cast<std::size_t>(x.last());
  const auto worst = [&](std::span<const real> a, const std::vector<double>& exact) {
    double largest = 0;
    double error = 0;
    for (std::size_t i = 0; i < columns; ++i) {
      largest = std::max(largest, std::abs(exact[i]));
      const double e = std::abs(static_cast<double>(a[i]) - exact[i]);
      if (!(e <= error)) error = e;
    }
    return error / largest;
  };
  Errors result;
  for (std::size_t at = 0; at < x.values().size(); at += columns) {
    const Exact e = exact_row(kind, x.values().subspan(at, columns), dy.values().subspan(at, columns), o);
    result.y = std::max(result.y, worst(ours.value.values().subspan(at, columns), e.y));
    result.dx = std::max(result.dx, worst(ours.gradients[0].values().subspan(at, columns), e.dx));
  }
  return result;
}

Tensor row_of(std::initializer_list<real> values) {
  return Tensor::from({1, static_cast<int64_t>(values.size())}, values);
}

bool all_of(const Tensor& x, real value) {
  return std::ranges::all_of(x.values(), [=](real v) { return v == value; });
}

constexpr Kind all_kinds[] = {Kind::layer, Kind::rms, Kind::scale};

}  // namespace

TEST_CASE("Rows whose squares overflow a float are normalised as others", "[norm]") {
  // PyTorch's LayerNorm gives rows of zeros for numbers of 1e30 on a CPU (pytorch #162489).
  for (const Kind kind : all_kinds) {
    for (const double size : {1e10, 1e20, 1e30, 1e36}) {
      INFO("kind " << static_cast<int>(kind) << ", numbers of size " << size);
      const Errors e = errors(kind, scale(random_tensor({3, 40}, 1, -1, 2), size), {});
      CHECK(e.y < 1e-6);
      CHECK(e.dx < 2e-6);
    }
  }
}

TEST_CASE("Rows whose squares vanish in a float are normalised as others where epsilon lets them", "[norm]") {
  for (const Kind kind : all_kinds) {
    for (const double size : {1e-12, 1e-17, 1e-20, 1e-25, 1e-30}) {
      INFO("kind " << static_cast<int>(kind) << ", numbers of size " << size);
      const Tensor x = scale(random_tensor({3, 40}, 2, -1, 2), size);
      // Epsilon about as large as what it stands beside, and far smaller. A rescue that divides the row by its largest
      // number before epsilon is added makes epsilon larger by the square of it (apple/coremltools #2821).
      for (const double share : {1.0, 1e-6}) {
        const Errors inside = errors(kind, x, {.eps = (kind == Kind::scale ? size : size * size) * share});
        CHECK(inside.y < 1e-6);
        CHECK(inside.dx < 2e-6);
        if (kind == Kind::scale) continue;
        const Errors outside = errors(kind, x, {.eps = size * share, .eps_place = EpsPlace::outside});
        CHECK(outside.y < 1e-6);
        CHECK(outside.dx < 2e-6);
      }
    }
  }
}

TEST_CASE("LayerNorm of rows far from zero agrees with double", "[norm]") {
  // mean(x²) - mean² gave NaN for these numbers in MLX (#2238) and for the next in ONNX Runtime (#28463), up to 48,000
  // in the place of 1 in PyTorch 1.7 (#51102), and errors above 1 in burn (#5607).
  const Tensor mlx = row_of({1449.5706f, 1448.8741f, 1450.6504f, 1449.2633f, 1449.7764f, 1449.3171f, 1449.3297f,
                             1449.0779f, 1449.2181f, 1449.4330f, 1449.1605f, 1449.4133f, 1449.7934f, 1450.0667f});
  CHECK(errors(Kind::layer, mlx, {}).y < 2e-6);
  CHECK(errors(Kind::layer, mlx, {}).dx < 4e-6);
  CHECK(errors(Kind::layer, row_of({40000, 40001, 40002, 40003}), {}).y < 1e-6);
  CHECK(errors(Kind::layer, row_of({80000, 80001, 80002, 80003}), {}).y < 1e-6);
  for (const double mean : {0.0, 100.0, 1000.0, 10000.0}) {
    INFO("mean " << mean);
    std::vector<real> ramp;
    for (int i = 0; i < 16; ++i) ramp.push_back(static_cast<real>(mean + i * 1e-3));
    CHECK(errors(Kind::layer, Tensor::from({1, 16}, ramp), {}).y < 2e-6);
  }
  const Tensor far = random_tensor({20, 300}, 3, 1999, 2001);
  CHECK(errors(Kind::layer, far, {}).y < 4e-6);
  CHECK(errors(Kind::layer, far, {.eps = 0.1, .eps_place = EpsPlace::outside}).dx < 8e-6);
}

TEST_CASE("LayerNorm is as accurate for rows whose first number stands out, which the others are compared with",
          "[norm]") {
  for (const double first : {0.5, 2.9, 3.1, 10.0, 1e3, 1e6}) {
    for (const int64_t columns : {5, 64, 300}) {
      INFO("first number " << first << ", " << columns << " columns");
      Tensor x = random_tensor({4, columns}, 5, -1.7, 1.7);  // a standard deviation of about 1
      for (int64_t row = 0; row < 4; ++row) {
        x.mutable_data()[row * columns] = static_cast<real>(row % 2 ? first : -first);
      }
      const Errors e = errors(Kind::layer, x, {});
      CHECK(e.y < 2e-6);
      CHECK(e.dx < 4e-6);
    }
  }
}

TEST_CASE("Rows of a tensor past the caches are those of a small one, to the bit", "[norm]") {
  // The large one fetches ahead and writes dx around the caches; 1001 columns are no whole number of vectors.
  for (const int64_t columns : {1024, 1001}) {
    const int64_t rows = (int64_t{32} << 20) / static_cast<int64_t>(sizeof(real)) / columns + 65;
    const Tensor x = random_tensor({rows, columns}, 6, -2, 2);
    const Tensor dy = random_tensor({rows, columns}, 7, -1, 1);
    const Tensor w = random_tensor({columns}, 8, 0.5, 2);
    const Tensor b = random_tensor({columns}, 9, -1, 1);
    for (const Kind kind : {Kind::layer, Kind::rms}) {
      const auto f = [&](In in) { return kind == Kind::layer ? layer_norm(in[0], w, b) : rms_norm(in[0], w, b); };
      const ValueAndGradients all = differentiate(f, {x}, dy);
      const int64_t few = 64;
      for (const int64_t begin : {int64_t{0}, rows / 2, rows - few}) {
        INFO(columns << " columns, rows from " << begin);
        const auto piece = [&](const Tensor& t) {
          return t.values().subspan(static_cast<std::size_t>(begin * columns), static_cast<std::size_t>(few * columns));
        };
        const auto taken = [&](const Tensor& t) {
          const auto values = piece(t);
          return Tensor::from({few, columns}, std::vector<real>(values.begin(), values.end()));
        };
        const ValueAndGradients some = differentiate(f, {taken(x)}, taken(dy));
        CHECK(std::ranges::equal(some.value.values(), piece(all.value)));
        CHECK(std::ranges::equal(some.gradients[0].values(), piece(all.gradients[0])));
      }
    }
  }
}

TEST_CASE("A row of equal numbers is exactly the bias, with any epsilon, zero too", "[norm]") {
  // The rounding of the mean must not be taken for a spread: NaN for rows of 1234 in ONNX Runtime (#21935), 1e-4 for
  // rows of 14 in PyTorch (#108072).
  const Tensor w = random_tensor({33}, 4, -2, 2);
  const Tensor b = random_tensor({33}, 5);
  const Tensor dy = cotangent({1, 33}, 6);
  for (const real level : {0.0f, 0.1f, 14.0f, -7.3f, 1234.0f, 1450.7f, 3e-30f, 1e30f}) {
    for (const double eps : {0.0, 1e-12, 1e-5}) {
      INFO("level " << level << ", eps " << eps);
      const Tensor x = Tensor::full({1, 33}, level);
      const ValueAndGradients r =
          differentiate([&](In in) { return layer_norm(in[0], in[1], in[2], eps); }, {x, w, b}, dy);
      CHECK(same_bits(r.value, reshape(b, {1, 33})));
      CHECK(all_of(r.gradients[1], 0));
      if (eps == 0) CHECK(all_of(r.gradients[0], 0));
    }
  }
}

TEST_CASE("A row of zeros is exactly the bias in every norm, and its gradient is what the contract says", "[norm]") {
  constexpr int64_t n = 9;
  const Tensor x = Tensor::zeros({2, n});
  const Tensor w = random_tensor({n}, 7, -2, 2);
  const Tensor b = random_tensor({n}, 8);
  const Tensor gain = Tensor::full({1}, 2.5f);
  const Tensor dy = cotangent(x.shape(), 9);
  const Tensor bias_rows = concatenate({reshape(b, {1, n}), reshape(b, {1, n})}, 0);
  const Tensor g = multiply_rows(dy, w);
  const auto check = [&](const Function& f, const Tensor& value, const Tensor& dx) {
    const ValueAndGradients r = differentiate(f, {x}, dy);
    CHECK(same_bits(r.value, value));
    CHECK(difference(r.gradients[0], dx) < 1e-6);
  };
  const auto rms = [&](const NormOptions& o) { return [&, o](In in) { return rms_norm(in[0], w, b, o); }; };
  check(rms({.eps = 1e-4}), bias_rows, scale(g, 100));
  check(rms({.eps = 1e-4, .eps_place = EpsPlace::outside}), bias_rows, scale(g, 1e4));
  check(rms({.eps = 1e-4, .partial = 0.3}), bias_rows, scale(g, 100));
  check(rms({.eps = 0}), bias_rows, Tensor::zeros(x.shape()));
  check(rms({.eps = 0, .eps_place = EpsPlace::outside}), bias_rows, Tensor::zeros(x.shape()));
  check([&](In in) { return scale_norm(in[0], gain, 1e-4); }, x, scale(dy, 2.5e4));
  check([&](In in) { return dyt(in[0], Tensor::full({1}, 0.5f), w, b); }, bias_rows, scale(g, 0.5));
  check([&](In in) { return derf(in[0], Tensor::full({1}, 0.5f), Tensor::zeros({1}), w, b); }, bias_rows,
        scale(g, 0.5 * 2 / std::sqrt(M_PI)));
}

TEST_CASE("ScaleNorm is linear for rows shorter than epsilon, whatever epsilon's reciprocal rounds to", "[norm]") {
  for (const double eps : {1e-5, 3e-5, 7e-4, 0.02, 0.3, 1.1}) {
    for (const double share : {1e-6, 0.5, 0.999, 1.001, 2.0}) {
      INFO("eps " << eps << ", length " << share << " of it");
      const Tensor direction = random_tensor({1, 5}, 10);
      double squares = 0;
      for (const real v : direction.values()) squares += static_cast<double>(v) * static_cast<double>(v);
      const Errors e = errors(Kind::scale, scale(direction, share * eps / std::sqrt(squares)), {.eps = eps});
      CHECK(e.y < 1e-6);
      CHECK(e.dx < 2e-6);
    }
  }
}

TEST_CASE("A partial RMSNorm looks at the first ⌈p·C⌉ columns, without one more for rounding", "[norm]") {
  const auto seen = [](double p, int64_t columns) {
    // A single one among k columns has a mean square of 1/k and becomes √k.
    Tensor x = Tensor::zeros({1, columns});
    x.mutable_data()[0] = 1;
    const double y = static_cast<double>(rms_norm(x, {}, {}, NormOptions{.eps = 0, .partial = p}).data()[0]);
    return std::llround(y * y);
  };
  CHECK(seen(0.0625, 512) == 32);
  CHECK(seen(0.07, 100) == 7);  // 0.07·100 rounds to a number above 7
  CHECK(seen(0.28, 25) == 7);
  CHECK(seen(0.071, 100) == 8);
  CHECK(seen(1e-9, 100) == 1);
  CHECK(seen(1, 3) == 3);
  // Zeros in the columns that count: epsilon alone divides the others.
  const Tensor late = row_of({0, 0, 0, 5});
  CHECK(difference(rms_norm(late, {}, {}, NormOptions{.eps = 0.01, .partial = 0.5}), row_of({0, 0, 0, 50})) < 1e-6);
  CHECK(all_of(rms_norm(late, {}, {}, NormOptions{.eps = 0, .partial = 0.5}), 0));
}

TEST_CASE("NaN stays NaN, and an infinite number does not become a finite row", "[norm]") {
  const real nan = std::numeric_limits<real>::quiet_NaN();
  const real infinity = std::numeric_limits<real>::infinity();
  for (const Kind kind : all_kinds) {
    for (const double eps : {1e-30, 1e-5}) {
      const Tensor y = apply(kind, row_of({1, nan, 2}), {.eps = eps});
      CHECK(std::ranges::all_of(y.values(), [](real v) { return std::isnan(v); }));
      CHECK(std::isnan(apply(kind, row_of({1, infinity, 2}), {.eps = eps}).data()[1]));
    }
  }
}

TEST_CASE("Norms refuse what they can not do and name it", "[norm][errors]") {
  const Tensor x = Tensor::zeros({2, 3});
  const Tensor one = Tensor::full({1}, 1);
  const Parameter wide = parameter_of(Tensor::zeros({3}), "blocks.0.norm1.alpha");
  CHECK(has_parts(error_of([&] { layer_norm(x, {}, {}, NormOptions{.partial = 0.5}); }),
                  {"layer_norm: ", "partial", "rms_norm", "norm_rows_test.cpp:"}));
  CHECK(has_parts(error_of([&] { rms_norm(x, {}, {}, NormOptions{.partial = 0}); }), {"rms_norm: ", "partial"}));
  CHECK(has_parts(error_of([&] { rms_norm(x, {}, {}, NormOptions{.partial = 1.5}); }), {"rms_norm: ", "1.5"}));
  CHECK(has_parts(error_of([&] { scale_norm(x, wide); }), {"scale_norm: ", "gain", "blocks.0.norm1.alpha (3)", "(1)"}));
  CHECK(has_parts(error_of([&] { scale_norm(x, one, 0); }), {"scale_norm: ", "eps", "above 0"}));
  CHECK(has_parts(error_of([&] { scale_norm(x, {}); }), {"scale_norm: ", "argument 2", "empty"}));
  CHECK(has_parts(error_of([&] { dyt(x, wide, {}, {}); }), {"dyt: ", "alpha", "blocks.0.norm1.alpha (3)", "(1)"}));
  CHECK(has_parts(error_of([&] { dyt(x, one, Tensor::zeros({4}), {}); }), {"dyt: ", "weight", "(4)", "(3)", "(2, 3)"}));
  CHECK(has_parts(error_of([&] { derf(x, one, {}, {}, {}); }), {"derf: ", "empty", "norm_rows_test.cpp:"}));
  CHECK(has_parts(error_of([&] { derf(x, one, wide, {}, {}); }), {"derf: ", "shift", "(3)", "(1)"}));
  CHECK(has_parts(error_of([&] { derf(Tensor::zeros({2, 0}), one, one, {}, {}); }), {"derf: ", "(2, 0)"}));
}

}  // namespace tape::test
