// Shape: the sizes of a tensor, slowest axis first. A small value without heap memory.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI {

class Shape {
 public:
  static constexpr int max_rank = 6;

  /// Rank 0: a single number.
  Shape() = default;
  /// Throws Error for a negative size, a rank over max_rank or more elements than an int64_t counts.
  Shape(std::initializer_list<int64_t> sizes) : Shape(std::span<const int64_t>(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const int64_t> sizes);

  int rank() const { return rank_; }
  /// Size of axis i; a negative i counts from the end, so that s[-1] is the last size. Throws Error out of range.
  int64_t operator[](int i) const { return sizes_[static_cast<std::size_t>(axis(i))]; }
  /// Number of elements: the product of all sizes (1 for rank 0).
  int64_t size() const;
  /// Last size, 1 for rank 0.
  int64_t last() const { return rank_ == 0 ? 1 : (*this)[-1]; }
  /// Product of all sizes but the last: R.
  int64_t rows() const;
  /// The axis that i means: 0 ≤ result < rank. Throws Error out of range.
  int axis(int i) const;
  /// This shape with the size of axis i replaced.
  Shape with(int i, int64_t size) const;
  /// This shape without its last axis.
  Shape without_last() const;

  std::span<const int64_t> sizes() const { return {sizes_.data(), static_cast<std::size_t>(rank_)}; }
  bool operator==(const Shape& other) const;

 private:
  std::array<int64_t, max_rank> sizes_{};
  int rank_ = 0;
};

/// Prints "(32, 128, 384)".
std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace tape::inline TAPE_ABI
