// A vector of numbers rounded to bf16.
#pragma once

#include <bit>
#include <cstring>

#include <tape/core/bf16.h>
#include <tape/core/simd.h>

namespace tape::inline TAPE_ABI {

/// As many bf16 as a Vector has numbers, by their bits.
using RoundedVector [[gnu::vector_size(lanes * 2)]] = uint16_t;

/// Each number as round_to_bf16 rounds it.
inline RoundedVector rounded(Vector x) {
  using Floats [[gnu::vector_size(lanes * 4)]] = float;
  using Bits [[gnu::vector_size(lanes * 4)]] = uint32_t;
  const auto bits = std::bit_cast<Bits>(__builtin_convertvector(x, Floats));
  const Bits nearest = bits + 0x7FFF + (bits >> 16 & 1);
  const Bits quiet = bits | 0x0040'0000;
  return __builtin_convertvector(((bits & 0x7FFF'FFFF) > 0x7F80'0000 ? quiet : nearest) >> 16, RoundedVector);
}

inline void store(bf16* x, RoundedVector v) {
  std::memcpy(static_cast<void*>(x), &v, sizeof v);
}

}  // namespace tape::inline TAPE_ABI
