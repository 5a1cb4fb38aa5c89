// Random numbers: the generator against its published vectors, the distributions against what they claim to be.
#include <tape/core/random.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

constexpr std::size_t samples = 200000;
constexpr double root_samples = 447.2;

// √n times the largest distance between the empirical distribution and `cdf` (Kolmogorov-Smirnov). Above 1.95 with
// probability 0.001 for numbers that follow it; the seeds are fixed.
template <class Cdf>
double kolmogorov_smirnov(std::vector<double> x, Cdf&& cdf) {
  std::ranges::sort(x);
  const auto n = static_cast<double>(x.size());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double p = cdf(x[i]);
    worst = std::max({worst, p - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - p});
  }
  return worst * std::sqrt(n);
}

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

Moments moments(const std::vector<double>& x) {
  Moments m;
  const auto n = static_cast<double>(x.size());
  for (const double v : x) m.mean += v / n;
  for (const double v : x) {
    const double d = v - m.mean;
    m.variance += d * d / n;
    m.skew += d * d * d / n;
    m.kurtosis += d * d * d * d / n;
  }
  return m;
}

template <class F>
std::vector<double> numbers(F&& f) {
  std::vector<double> x(samples);
  for (std::size_t i = 0; i < samples; ++i) x[i] = f(i);
  return x;
}

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  double product = 0;
  for (std::size_t i = 0; i < x.size(); ++i) product += (x[i] - 0.5) * (y[i] - 0.5) * 12;
  return product / static_cast<double>(x.size());
}

}  // namespace

TEST_CASE("Philox gives the vectors published with Random123", "[random]") {
  using Words = std::array<uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr uint32_t ones = 0xffffffff;
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("Uniform numbers are uniform from 0 to 1", "[random]") {
  const Draw draw(1, 2, 3);
  const std::vector<double> x = numbers([&](std::size_t i) { return draw.uniform(i); });
  CHECK(std::ranges::all_of(x, [](double v) { return v >= 0 && v < 1 && v * 0x1p24 == std::floor(v * 0x1p24); }));
  const Moments m = moments(x);
  CHECK(std::abs(m.mean - 0.5) < 4 * std::sqrt(1.0 / 12) / root_samples);
  CHECK(std::abs(m.variance - 1.0 / 12) < 4 * std::sqrt(1.0 / 180) / root_samples);
  CHECK(kolmogorov_smirnov(x, [](double v) { return v; }) < 1.95);
}

TEST_CASE("Normal numbers are normal", "[random]") {
  const Draw draw(4, 5, 6);
  const std::vector<double> x = numbers([&](std::size_t i) { return draw.normal(i); });
  const Moments m = moments(x);
  CHECK(std::abs(m.mean) < 4 / root_samples);
  CHECK(std::abs(m.variance - 1) < 4 * std::sqrt(2.0) / root_samples);
  CHECK(std::abs(m.skew) < 4 * std::sqrt(15.0) / root_samples);
  CHECK(std::abs(m.kurtosis - 3) < 4 * std::sqrt(96.0) / root_samples);
  CHECK(kolmogorov_smirnov(x, normal_cdf) < 1.95);
  // The two numbers of one pair are independent: the angle between them is uniform.
  std::vector<double> angles;
  for (std::size_t i = 0; i < samples; i += 2) angles.push_back(std::atan2(x[i], x[i + 1]) / (2 * M_PI) + 0.5);
  CHECK(kolmogorov_smirnov(angles, [](double v) { return v; }) < 1.95);
}

TEST_CASE("Normal numbers are the Box-Muller transform of their words", "[random]") {
  const Draw draw(7, 8, 9);
  for (uint64_t i = 0; i < 2000; i += 2) {
    const double radius = std::sqrt(-2 * std::log((draw.word(i) + 1.0) * 0x1p-32));
    const double angle = 2 * M_PI * draw.word(i + 1) * 0x1p-32;
    CHECK(std::abs(draw.normal(i) - radius * std::cos(angle)) < 1e-13);
    CHECK(std::abs(draw.normal(i + 1) - radius * std::sin(angle)) < 1e-13);
  }
}

TEST_CASE("below(n) stays below n and is uniform", "[random]") {
  const Draw draw(10, 11, 12);
  for (const int64_t n : {int64_t{1}, int64_t{2}, int64_t{7}, int64_t{1000}}) {
    std::vector<int64_t> counts(static_cast<std::size_t>(n), 0);
    int64_t outside = 0;
    for (std::size_t i = 0; i < samples; ++i) {
      const int64_t value = draw.below(i, n);
      if (value < 0 || value >= n) {
        ++outside;
      } else {
        ++counts[static_cast<std::size_t>(value)];
      }
    }
    REQUIRE(outside == 0);
    double chi_square = 0;
    const double expected = static_cast<double>(samples) / static_cast<double>(n);
    for (const int64_t count : counts) chi_square += std::pow(static_cast<double>(count) - expected, 2) / expected;
    const auto freedom = static_cast<double>(n - 1);
    CHECK(std::abs(chi_square - freedom) <= 4 * std::sqrt(2 * freedom));
  }
  const int64_t large = int64_t{1} << 48;
  const std::vector<double> x =
      numbers([&](std::size_t i) { return static_cast<double>(draw.below(i, large)) / static_cast<double>(large); });
  CHECK(kolmogorov_smirnov(x, [](double v) { return v; }) < 1.95);
  CHECK(has_parts(error_of([&] { draw.below(0, 0); }), {"below", "0 < n", "not 0"}));
  CHECK(has_parts(error_of([&] { draw.below(0, large + 1); }), {"below", "2^48"}));
}

TEST_CASE("Draws of other seeds, streams and positions are independent", "[random]") {
  const auto uniform = [](const Draw& draw) { return numbers([&](std::size_t i) { return draw.uniform(i); }); };
  const std::vector<double> base = uniform(Draw(1, 1, 1));
  for (const Draw& other :
       {Draw(2, 1, 1), Draw(1, 2, 1), Draw(1, 1, 2), Draw(1, 1, uint64_t{1} << 32), Draw(0, 0, 0)}) {
    const std::vector<double> x = uniform(other);
    CHECK(x != base);
    CHECK(std::abs(correlation(base, x)) < 4 / root_samples);
  }
  std::vector<double> shifted(base.begin() + 1, base.end());
  shifted.push_back(base[0]);
  CHECK(std::abs(correlation(base, shifted)) < 4 / root_samples);
  // A thousand streams of a thousand positions: no first block occurs twice.
  std::set<std::array<uint32_t, 4>> blocks;
  for (uint64_t stream = 0; stream < 300; ++stream) {
    for (uint64_t position = 0; position < 300; ++position) blocks.insert(Draw(1, stream, position).words(0));
  }
  CHECK(blocks.size() == 300 * 300);
}

TEST_CASE("Random hands out one draw after another and can be set back", "[random]") {
  Random random(Seed{3}, 4);
  const uint32_t first = random.next().word(0);
  const uint32_t second = random.next().word(0);
  CHECK(random.position() == 2);
  CHECK(first != second);
  random.set_position(1);
  CHECK(random.next().word(0) == second);
  Random copy = random;
  CHECK(copy.next().word(5) == random.next().word(5));
  CHECK(Random(Seed{3}, 4).next().word(0) == first);
  CHECK(Random::named(Seed{3}, "a").next().word(0) != Random::named(Seed{3}, "b").next().word(0));
  CHECK(Random::named(Seed{3}, "a").next().word(0) == Random::named(Seed{3}, "a").next().word(0));
}

TEST_CASE("Filling a tensor gives the numbers of the draw, with any number of threads", "[random][bits]") {
  const Draw draw(13, 14, 15);
  for (const int count : {1, 2, 3}) {
    const Threads use(count);
    Tensor uniform = Tensor::uninitialized({30001});
    Tensor normal = Tensor::uninitialized({30001});
    fill_uniform(uniform, -2, 3, draw);
    fill_normal(normal, 1, 0.5, draw);
    int64_t wrong = 0;
    for (int64_t i = 0; i < 30001; ++i) {
      const auto at = static_cast<uint64_t>(i);
      wrong += uniform.data()[i] != static_cast<float>(-2 + 5 * draw.uniform(at));
      wrong += normal.data()[i] != static_cast<float>(1 + 0.5 * draw.normal(at));
    }
    CHECK(wrong == 0);
  }
  Random random(Seed{1});
  const Tensor x = randn({3, 5}, random);
  CHECK(x.shape() == Shape{3, 5});
  CHECK(random.position() == 1);
  CHECK(x.data()[7] == static_cast<float>(Random(Seed{1}).next().normal(7)));
}

}  // namespace tape::test
