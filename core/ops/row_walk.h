// Loops over one row whose body is written once, and is compiled for vectors and for the numbers left at the end.
//
// A body gets `at`, the place where it is: at(x) is x_i, or the vector that begins with it; arithmetic is the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <tape/core/bf16_vector.h>

namespace tape::inline TAPE_ABI {

struct VectorAt {
  int64_t i;

  Vector operator()(const real* x) const { return load(x + i); }
  void set(real* y, Vector value) const { store(y + i, value); }
  void add(real* y, Vector value) const { store(y + i, load(y + i) + value); }
  void stream(real* y, Vector value) const { tape::stream(y + i, value); }
  void set(bf16* y, Vector value) const { store(y + i, rounded(value)); }
  /// Has the cache line fetched that x_{i+ahead} is in, if x goes on that far; once for each line.
  void fetch(const real* x, int64_t ahead) const {
    constexpr int64_t line = 64 / static_cast<int64_t>(sizeof(real));
    if (lanes < line && i % line != 0) return;
    const auto address = reinterpret_cast<std::uintptr_t>(x) + static_cast<std::uintptr_t>(i + ahead) * sizeof(real);
    __builtin_prefetch(reinterpret_cast<const void*>(address));  // no access: it may lie behind the array's end
  }
};

struct NumberAt {
  int64_t i;

  real operator()(const real* x) const { return x[i]; }
  void set(real* y, real value) const { y[i] = value; }
  void add(real* y, real value) const { y[i] += value; }
  void stream(real* y, real value) const { y[i] = value; }
  void set(bf16* y, real value) const { y[i] = round_to_bf16(static_cast<float>(value)); }
  void fetch(const real*, int64_t) const {}
};

/// Calls body(at) for all of begin…end.
template <class Body>
[[gnu::always_inline]] inline void walk_row(int64_t begin, int64_t end, Body body) {
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) body(VectorAt{i});
  for (; i < end; ++i) body(NumberAt{i});
}

/// Sums over 0…n, several at once: terms(at) returns the next term of each, as an array. Four partial sums of each take
/// turns, so that no addition waits for the one before.
template <std::size_t count, class Terms>
[[gnu::always_inline]] inline std::array<real, count> row_sums(int64_t n, Terms terms) {
  constexpr int64_t turns = 4;
  std::array<Vector, count> partial[turns] = {};
  const auto add = [&](std::array<Vector, count>& to, int64_t i) {
    const std::array<Vector, count> next = terms(VectorAt{i});
    for (std::size_t k = 0; k < count; ++k) to[k] += next[k];
  };
  int64_t i = 0;
  for (; i + turns * lanes <= n; i += turns * lanes)
    for (int64_t turn = 0; turn < turns; ++turn) add(partial[turn], i + turn * lanes);
  for (; i + lanes <= n; i += lanes) add(partial[0], i);
  std::array<real, count> sums;
  for (std::size_t k = 0; k < count; ++k)
    sums[k] = sum((partial[0][k] + partial[1][k]) + (partial[2][k] + partial[3][k]));
  for (; i < n; ++i) {
    const std::array<real, count> next = terms(NumberAt{i});
    for (std::size_t k = 0; k < count; ++k) sums[k] += next[k];
  }
  return sums;
}

/// Whether so many numbers, 32 MiB and more, come from memory and go back to it: more than a core's part of the
/// last-level cache.
inline bool past_caches(int64_t count) {
  return count >= (int64_t{32} << 20) / static_cast<int64_t>(sizeof(real));
}

/// How far ahead of the number at work such rows of n numbers are fetched: the whole next row, which is read once
/// before it is worked on, and 3 KiB of what follows.
inline int64_t fetch_distance(int64_t n) {
  return n + 3072 / static_cast<int64_t>(sizeof(real));
}

/// Whether each row of n numbers begins where a vector may be streamed to.
inline bool is_aligned(const real* rows, int64_t n) {
  return n % lanes == 0 && reinterpret_cast<std::uintptr_t>(rows) % vector_bytes == 0;
}

}  // namespace tape::inline TAPE_ABI
