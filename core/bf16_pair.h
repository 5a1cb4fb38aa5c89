// Pairs of bf16 numbers that are neighbours along the summed axis of a product: what the processors' bf16 instructions
// multiply at once. Without these instructions the same numbers are multiplied in f32.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include <tape/core/bf16.h>
#include <tape/core/real.h>
#include <tape/core/simd.h>

#if defined(__AVX512BF16__) && !(defined(TAPE_F64) && TAPE_F64)
#define TAPE_HAS_BF16_PAIRS 1
#else
#define TAPE_HAS_BF16_PAIRS 0
#endif

namespace tape::inline TAPE_ABI {

/// The first number is in the lower half.
struct bf16_pair {
  uint32_t bits;
};

/// A pair of a and b, each rounded.
inline bf16_pair pair_of(real a, real b) {
  const uint32_t low = round_to_bf16(static_cast<float>(a)).bits;
  return {low | static_cast<uint32_t>(round_to_bf16(static_cast<float>(b)).bits) << 16};
}

/// As many pairs as a Vector has numbers.
using Pairs [[gnu::vector_size(lanes * 4)]] = uint32_t;

inline Pairs load(const bf16_pair* x) {
  Pairs v;
  std::memcpy(&v, x, sizeof v);
  return v;
}
inline void store(bf16_pair* x, Pairs v) {
  std::memcpy(x, &v, sizeof v);
}

/// Pairs of neighbours: lane i is (x[2i], x[2i + 1]).
inline Pairs pairs_along(const real* x) {
#if TAPE_HAS_BF16_PAIRS
  return std::bit_cast<Pairs>(_mm512_cvtne2ps_pbh(load(x + lanes), load(x)));
#else
  Pairs v{};
#pragma omp simd
  for (int64_t i = 0; i < lanes; ++i) v[i] = pair_of(x[2 * i], x[2 * i + 1]).bits;
  return v;
#endif
}

/// Pairs of two rows: lane i is (a[i], b[i]).
inline Pairs pairs_across(const real* a, const real* b) {
#if TAPE_HAS_BF16_PAIRS
  const __m512i halves = std::bit_cast<__m512i>(_mm512_cvtne2ps_pbh(load(b), load(a)));  // all of a, then all of b
  const __m512i zipped = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                          21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return std::bit_cast<Pairs>(_mm512_permutexvar_epi16(zipped, halves));
#else
  Pairs v{};
#pragma omp simd
  for (int64_t i = 0; i < lanes; ++i) v[i] = pair_of(a[i], b[i]).bits;
  return v;
#endif
}

/// sum + x·y, lane by lane: of pairs both products. The processor's instruction takes denormal numbers for zero.
inline Vector multiply_add(Vector sum, real x, Vector y) {
  return sum + x * y;
}
inline Vector multiply_add(Vector sum, bf16_pair x, Pairs y) {
#if TAPE_HAS_BF16_PAIRS
  const __m512i all = _mm512_set1_epi32(static_cast<int>(x.bits));
  return _mm512_dpbf16_ps(sum, std::bit_cast<__m512bh>(all), std::bit_cast<__m512bh>(y));
#else
  using Floats [[gnu::vector_size(lanes * 4)]] = float;
  const auto numbers = [](Pairs bits) { return __builtin_convertvector(std::bit_cast<Floats>(bits), Vector); };
  const real first = std::bit_cast<float>(x.bits << 16);
  const real second = std::bit_cast<float>(x.bits & 0xFFFF'0000);
  return sum + first * numbers(y << 16) + second * numbers(y & 0xFFFF'0000);
#endif
}

}  // namespace tape::inline TAPE_ABI
