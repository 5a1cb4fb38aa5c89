#include <tape/core/shape.h>

#include <algorithm>
#include <ostream>

namespace tape::inline TAPE_ABI {

Shape::Shape(std::span<const int64_t> sizes) {
  if (sizes.size() > static_cast<std::size_t>(max_rank)) {
    throw Error(str("a shape has at most ", max_rank, " axes, not ", sizes.size()));
  }
  int64_t elements = 1;  // zeros left out: also rows() and the like must fit
  for (const int64_t size : sizes) {
    if (size < 0) throw Error(str("a size in a shape can not be negative: ", size));
    if (size > 0 && __builtin_mul_overflow(elements, size, &elements)) {
      throw Error(str("a shape can not have more than 2^63 elements: axis ", rank_, " of size ", size, " is too much"));
    }
    sizes_[static_cast<std::size_t>(rank_++)] = size;
  }
}

int64_t Shape::size() const {
  int64_t product = 1;
  for (const int64_t size : sizes()) product *= size;
  return product;
}

int64_t Shape::rows() const {
  int64_t product = 1;
  for (int i = 0; i + 1 < rank_; ++i) product *= sizes_[static_cast<std::size_t>(i)];
  return product;
}

int Shape::axis(int i) const {
  const int axis = i < 0 ? i + rank_ : i;
  if (axis < 0 || axis >= rank_) throw Error(str("shape ", *this, " has no axis ", i));
  return axis;
}

Shape Shape::with(int i, int64_t size) const {
  std::array<int64_t, max_rank> sizes = sizes_;
  sizes[static_cast<std::size_t>(axis(i))] = size;
  return Shape(std::span<const int64_t>(sizes.data(), static_cast<std::size_t>(rank_)));
}

Shape Shape::without_last() const {
  return Shape(sizes().first(static_cast<std::size_t>(std::max(rank_ - 1, 0))));
}

bool Shape::operator==(const Shape& other) const {
  return std::ranges::equal(sizes(), other.sizes());
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '(';
  for (int i = 0; i < shape.rank(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ')';
}

}  // namespace tape::inline TAPE_ABI
