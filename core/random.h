// Random numbers that are the same on every platform, addressable by (seed, stream, position, index): Philox4x32-10, a
// counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), with distributions of
// our own. Any number can be computed without those before it: dropout, initialisation and data order resume exactly.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <tape/core/shape.h>

namespace tape::inline TAPE_ABI {

class Tensor;

struct Seed {
  uint64_t value = 0;
};

/// Four random 32-bit words: ten rounds of a bijection of the counter, one bijection for each key.
constexpr std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9;  // Weyl sequences: golden ratio, √3 - 1
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// One draw: an array of random numbers addressed by index i. Pure functions, safe on any thread.
class Draw {
 public:
  Draw(uint64_t seed, uint64_t stream, uint64_t position);

  /// 32 random bits for each of the indices 4·block … 4·block+3.
  std::array<uint32_t, 4> words(uint64_t block) const {
    return philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), base_[0], base_[1]}, key_);
  }
  /// 32 random bits.
  uint32_t word(uint64_t i) const { return words(i / 4)[i % 4]; }
  /// Uniform in [0, 1), a multiple of 2^-24.
  double uniform(uint64_t i) const { return static_cast<double>(word(i) >> 8) * 0x1p-24; }
  /// Standard normal, by the Box-Muller transform of words 2⌊i/2⌋ and 2⌊i/2⌋+1.
  double normal(uint64_t i) const;
  /// Uniform in 0 … n-1, for 0 < n ≤ 2^48, with a bias below n/2^64. Throws Error for another n.
  int64_t below(uint64_t i, int64_t n) const;

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 2> base_;  // high half of the counter: stream and position, mixed
};

/// A position in the sequence of draws of one (seed, stream). Copying it copies the position.
class Random {
 public:
  explicit Random(Seed seed, uint64_t stream = 0) : seed_(seed.value), stream_(stream) {}
  /// The stream that belongs to a name, such as that of a parameter.
  static Random named(Seed seed, std::string_view name);

  /// The draw at a position; moves nothing.
  Draw at(uint64_t position) const { return Draw(seed_, stream_, position); }
  /// The next draw; advances the position by one.
  Draw next() { return at(position_++); }
  /// A stream of its own, for a part that may be run twice; advances the position by one.
  Random fork();
  uint64_t position() const { return position_; }
  void set_position(uint64_t position) { position_ = position; }

 private:
  uint64_t seed_;
  uint64_t stream_;
  uint64_t position_ = 0;
};

/// Fills with uniform numbers in [low, high).
void fill_uniform(Tensor& x, double low, double high, const Draw& draw);
/// Fills with normal numbers.
void fill_normal(Tensor& x, double mean, double stddev, const Draw& draw);
/// A tensor of standard normal numbers.
Tensor randn(const Shape& shape, Random& random);

}  // namespace tape::inline TAPE_ABI
