// Ops that move numbers without computing.
#pragma once

#include <span>

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// The same numbers under another shape of the same size; shares storage. One size may be -1: it is worked out.
Tensor reshape(const Tensor& x, const Shape& shape, Where where = Where::here());
Tensor reshape(const Tensor& x, std::initializer_list<int64_t> sizes, Where where = Where::here());

/// Joins tensors along an axis; all other sizes are equal. Throws Error for none or for more than 8.
Tensor concatenate(std::span<const Tensor> parts, int axis, Where where = Where::here());
inline Tensor concatenate(std::initializer_list<Tensor> parts, int axis, Where where = Where::here()) {
  return concatenate(std::span<const Tensor>(parts.begin(), parts.size()), axis, where);
}

/// Positions begin … end-1 of an axis.
Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
