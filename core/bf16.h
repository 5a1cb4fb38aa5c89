// bf16: the upper half of an f32. As wide a range, 8 significant bits.
#pragma once

#include <bit>
#include <cstdint>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

/// A number in bf16, by its bits: only products compute with it.
struct bf16 {
  uint16_t bits = 0;
};

/// The nearest bf16, of two equally near ones the even one. What is too large becomes infinite, NaN stays NaN.
inline bf16 round_to_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const bool nan = (bits & 0x7FFF'FFFF) > 0x7F80'0000;
  const uint32_t rounded = bits + 0x7FFF + (bits >> 16 & 1);
  const uint32_t quiet = bits | 0x0040'0000;  // rounding could make an infinity of it, or cut off its last bit
  return {static_cast<uint16_t>((nan ? quiet : rounded) >> 16)};
}

/// The same number in f32.
inline float to_f32(bf16 x) {
  return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16);
}

/// out[i] = x[i] rounded, for 0 ≤ i < n, on the calling thread.
inline void round_row(const real* x, bf16* out, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) out[i] = round_to_bf16(static_cast<float>(x[i]));
}
/// The same over all threads.
void round_to_bf16(const real* x, bf16* out, int64_t n);
/// out[i] = x[i], for 0 ≤ i < n, over all threads.
void from_bf16(const bf16* x, real* out, int64_t n);

}  // namespace tape::inline TAPE_ABI
