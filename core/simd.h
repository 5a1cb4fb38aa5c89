// A vector register of the processor that this is compiled for, for the few loops that compilers do not vectorise well.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include <tape/core/real.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace tape::inline TAPE_ABI {

#if defined(__AVX512F__)
constexpr int64_t vector_bytes = 64;
#elif defined(__AVX__)
constexpr int64_t vector_bytes = 32;
#else
constexpr int64_t vector_bytes = 16;
#endif

/// Numbers that an instruction computes at once. Arithmetic, comparison and ?: work on each of them.
using Vector [[gnu::vector_size(vector_bytes)]] = real;
constexpr int64_t lanes = vector_bytes / static_cast<int64_t>(sizeof(real));

inline Vector load(const real* x) {
  Vector v;
  std::memcpy(&v, x, sizeof v);
  return v;
}
inline void store(real* x, Vector v) {
  std::memcpy(x, &v, sizeof v);
}

/// Stores around the caches, where the processor can: memory is written without being read before. x must be aligned to
/// the vector's size. Other threads see it after end_of_streams().
inline void stream(real* x, Vector v) {
#if defined(__clang__)
  __builtin_nontemporal_store(v, reinterpret_cast<Vector*>(x));
#elif defined(__AVX512F__)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(x), reinterpret_cast<__m512i>(v));
#elif defined(__AVX__)
  _mm256_stream_si256(reinterpret_cast<__m256i*>(x), reinterpret_cast<__m256i>(v));
#elif defined(__SSE2__)
  _mm_stream_si128(reinterpret_cast<__m128i*>(x), reinterpret_cast<__m128i>(v));
#else
  store(x, v);
#endif
}
inline void end_of_streams() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

template <int64_t by, int64_t... lane>
Vector rotated(Vector v, std::integer_sequence<int64_t, lane...>) {
  return __builtin_shufflevector(v, v, ((lane + by) % lanes)...);
}
/// Sum of the lanes, by halves.
template <int64_t half = lanes / 2>
real sum(Vector v) {
  if constexpr (half == 0) {
    return v[0];
  } else {
    return sum<half / 2>(v + rotated<half>(v, std::make_integer_sequence<int64_t, lanes>{}));
  }
}

}  // namespace tape::inline TAPE_ABI
