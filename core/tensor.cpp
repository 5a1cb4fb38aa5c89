#include <tape/core/tensor.h>

#include <algorithm>
#include <ostream>

namespace tape::inline TAPE_ABI {

Tensor Tensor::on(const Shape& shape, Storage storage) {
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.storage_ = std::move(storage);
  return tensor;
}

Tensor Tensor::uninitialized(const Shape& shape) {
  return on(shape, Storage::of<real>(shape.size()));
}

Tensor Tensor::full(const Shape& shape, real value) {
  Tensor tensor = uninitialized(shape);
  std::fill_n(tensor.mutable_data(), tensor.size(), value);
  return tensor;
}

Tensor Tensor::zeros(const Shape& shape) {
  return full(shape, 0);
}

Tensor Tensor::from(const Shape& shape, std::span<const real> values, Where where) {
  if (static_cast<int64_t>(values.size()) != shape.size()) {
    throw Error(
        str("Tensor::from: shape ", shape, " holds ", shape.size(), " numbers, but ", values.size(), " were given"),
        where);
  }
  Tensor tensor = uninitialized(shape);
  std::ranges::copy(values, tensor.mutable_data());
  return tensor;
}

real Tensor::item(Where where) const {
  if (!storage_ || size() != 1) {
    throw Error(str("item: needs a tensor with one number, not ", *this ? str(shape_) : "an empty one"), where);
  }
  return *data();
}

Tensor Tensor::copy() const {
  if (!storage_) return {};
  return from(shape_, values());
}

std::string Tensor::name() const {
  return leaf_ ? leaf_->name : std::string();
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor) return out << "(no tensor)";
  constexpr int64_t max_rows = 8;
  constexpr int64_t max_columns = 6;
  out << tensor.shape();
  const int64_t columns = tensor.last();
  const int64_t rows = columns == 0 ? 0 : tensor.size() / columns;
  for (int64_t r = 0; r < std::min(rows, max_rows); ++r) {
    out << (rows > 1 ? "\n  [" : " [");
    for (int64_t c = 0; c < std::min(columns, max_columns); ++c)
      out << (c ? ", " : "") << tensor.data()[r * columns + c];
    out << (columns > max_columns ? ", …]" : "]");
  }
  if (rows > max_rows) out << "\n  … " << rows - max_rows << " more rows";
  return out;
}

Ids::Ids(const Shape& shape) : shape_(shape), storage_(Storage::of<int32_t>(shape.size())) {
  std::fill_n(mutable_data(), size(), 0);
}

Ids Ids::from(const Shape& shape, std::span<const int32_t> values, Where where) {
  if (static_cast<int64_t>(values.size()) != shape.size()) {
    throw Error(
        str("Ids::from: shape ", shape, " holds ", shape.size(), " numbers, but ", values.size(), " were given"),
        where);
  }
  Ids ids(shape);
  std::ranges::copy(values, ids.mutable_data());
  return ids;
}

Ids Ids::rows(int64_t begin, int64_t end, Where where) const {
  if (shape_.rank() < 1 || begin < 0 || begin > end || end > shape_[0])
    throw Error(str("Ids::rows: ", shape_, " has no entries ", begin, " to ", end), where);
  const int64_t entry = shape_[0] > 0 ? size() / shape_[0] : 0;
  return from(shape_.with(0, end - begin), values().subspan(static_cast<std::size_t>(begin * entry),
                                                            static_cast<std::size_t>((end - begin) * entry)));
}

Ids Ids::reshaped(const Shape& shape, Where where) const {
  if (shape.size() != size()) {
    throw Error(str("Ids::reshaped: ", shape_, " can not become ", shape, ": the numbers of elements differ"), where);
  }
  Ids result = *this;
  result.shape_ = shape;
  return result;
}

}  // namespace tape::inline TAPE_ABI
