// A vector register of the processor that this is compiled for, for the few loops that compilers do not vectorise well.
#pragma once

#include <cstdint>
#include <cstring>

#include <tape/core/real.h>

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

}  // namespace tape::inline TAPE_ABI
