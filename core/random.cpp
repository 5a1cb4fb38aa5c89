// This file is compiled with -ffp-contract=off and uses only operations that IEEE 754 rounds exactly, so that normal
// numbers have the same bits on every platform.
#include <tape/core/random.h>

#include <cmath>
#include <numbers>

#include <tape/core/parallel.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

namespace {

// The finaliser of SplitMix64 (Steele, Lea & Flood 2014): a bijection that mixes all bits.
uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

std::array<uint32_t, 2> halves(uint64_t x) {
  return {static_cast<uint32_t>(x), static_cast<uint32_t>(x >> 32)};
}

// ln x for normal x > 0, to about 1e-16: 2·artanh(s), s = (m-1)/(m+1), for the mantissa m in [√½, √2).
double logarithm(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < std::numbers::sqrt2 / 2) {
    m *= 2;
    --exponent;
  }
  const double s = (m - 1) / (m + 1);
  const double s2 = s * s;
  double series = 0;
  for (int k = 21; k >= 1; k -= 2) series = series * s2 + 1.0 / k;
  return 2 * s * series + exponent * std::numbers::ln2;
}

struct SineCosine {
  double sine, cosine;
};

// sin and cos of a full turn times u, for u in [0, 1): Taylor series within an eighth of a turn, then quadrants.
SineCosine of_turn(double u) {
  const double quadrant = std::floor(4 * u + 0.5);
  const double x = (u - quadrant / 4) * (2 * std::numbers::pi);
  const double x2 = x * x;
  double sine = 0;
  double cosine = 0;
  for (int k = 18; k >= 2; k -= 2) {
    cosine = (1 + cosine) * (-x2 / (k * (k - 1)));
    sine = (1 + sine) * (-x2 / (k * (k + 1)));
  }
  sine = (1 + sine) * x;
  cosine = 1 + cosine;
  switch (static_cast<int>(quadrant) & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

struct Pair {
  double first, second;
};

Pair normal_pair(uint32_t a, uint32_t b) {
  const double radius = std::sqrt(-2 * logarithm((a + 1.0) * 0x1p-32));
  const SineCosine angle = of_turn(b * 0x1p-32);
  return {radius * angle.cosine, radius * angle.sine};
}

// Calls put(i, four words of block i/4) for i = 0, 4, 8 … below n.
template <class Put>
void for_blocks(int64_t n, const Draw& draw, Put&& put) {
  parallel_for(n, elementwise_grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += 4) put(i, draw.words(static_cast<uint64_t>(i / 4)));
  });
}

}  // namespace

Draw::Draw(uint64_t seed, uint64_t stream, uint64_t position)
    : key_(halves(seed)), base_(halves(mix(stream ^ mix(position)))) {}

double Draw::normal(uint64_t i) const {
  const std::array<uint32_t, 4> four = words(i / 4);
  const std::size_t first = i % 4 / 2 * 2;
  const Pair pair = normal_pair(four[first], four[first + 1]);
  return i % 2 == 0 ? pair.first : pair.second;
}

int64_t Draw::below(uint64_t i, int64_t n) const {
  if (n <= 0 || n > int64_t{1} << 48) throw Error(str("Draw::below: needs 0 < n ≤ 2^48, not ", n));
  const std::array<uint32_t, 4> four = words(i / 2);
  const uint64_t high = four[i % 2 * 2];
  const uint64_t low = four[i % 2 * 2 + 1];
  // The upper 64 bits of (high·2^32 + low)·n, from products that fit 64 bits.
  const uint64_t size = static_cast<uint64_t>(n);
  const uint64_t n_low = size & 0xFFFFFFFF;
  const uint64_t n_high = size >> 32;
  const uint64_t middle = high * n_low + (low * n_low >> 32);
  const uint64_t middle2 = (middle & 0xFFFFFFFF) + low * n_high;
  return static_cast<int64_t>(high * n_high + (middle >> 32) + (middle2 >> 32));
}

Random Random::named(Seed seed, std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325;  // FNV-1a, 64 bits
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return Random(seed, hash);
}

Random Random::fork() {
  Random child(Seed{seed_}, mix(mix(stream_) + position_));
  ++position_;
  return child;
}

void fill_uniform(Tensor& x, double low, double high, const Draw& draw) {
  real* data = x.mutable_data();
  const int64_t n = x.size();
  for_blocks(n, draw, [&](int64_t i, const std::array<uint32_t, 4>& words) {
    for (std::size_t j = 0; j < 4 && i + static_cast<int64_t>(j) < n; ++j) {
      data[i + static_cast<int64_t>(j)] =
          static_cast<real>(low + (high - low) * (static_cast<double>(words[j] >> 8) * 0x1p-24));
    }
  });
}

void fill_normal(Tensor& x, double mean, double stddev, const Draw& draw) {
  real* data = x.mutable_data();
  const int64_t n = x.size();
  for_blocks(n, draw, [&](int64_t i, const std::array<uint32_t, 4>& words) {
    const Pair a = normal_pair(words[0], words[1]);
    const Pair b = normal_pair(words[2], words[3]);
    const std::array<double, 4> values{a.first, a.second, b.first, b.second};
    for (std::size_t j = 0; j < 4 && i + static_cast<int64_t>(j) < n; ++j) {
      data[i + static_cast<int64_t>(j)] = static_cast<real>(mean + stddev * values[j]);
    }
  });
}

Tensor randn(const Shape& shape, Random& random) {
  Tensor x = Tensor::uninitialized(shape);
  fill_normal(x, 0, 1, random.next());
  return x;
}

}  // namespace tape::inline TAPE_ABI
