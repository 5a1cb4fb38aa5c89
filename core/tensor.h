// Tensor: a value-like handle on a shape and shared storage, always contiguous. Ids: the same for token numbers.
//
// Copying a tensor copies the handle, never the numbers. `reshape` (in ops.h) shares storage; nothing else aliases.
#pragma once

#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include <tape/core/parameter.h>
#include <tape/core/shape.h>
#include <tape/core/storage.h>

namespace tape::inline TAPE_ABI {

class Tape;

class Tensor {
 public:
  /// No tensor at all: false in a condition. Optional arguments use it.
  Tensor() = default;

  static Tensor uninitialized(const Shape& shape);
  static Tensor zeros(const Shape& shape);
  static Tensor full(const Shape& shape, real value);
  /// A single number, rank 0.
  static Tensor scalar(real value) { return full({}, value); }
  /// Copies `values`, in row-major order. Throws Error when their number is not shape.size().
  static Tensor from(const Shape& shape, std::span<const real> values, Where where = Where::here());
  static Tensor from(const Shape& shape, std::initializer_list<real> values, Where where = Where::here()) {
    return from(shape, std::span<const real>(values.begin(), values.size()), where);
  }
  /// A tensor on existing storage, which must hold shape.size() numbers. For authors of ops.
  static Tensor on(const Shape& shape, Storage storage);

  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  // Only to a named tensor: `f(x) = y` would change nothing that anyone can see.
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;
  ~Tensor() = default;

  explicit operator bool() const { return static_cast<bool>(storage_); }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t size() const { return shape_.size(); }
  int64_t rows() const { return shape_.rows(); }
  int64_t last() const { return shape_.last(); }

  const real* data() const { return storage_.as<real>(); }
  /// For filling a tensor just made. Every copy of the handle sees the change, and so would a tape that saved it.
  real* mutable_data() { return storage_.as<real>(); }
  std::span<const real> values() const { return {data(), static_cast<std::size_t>(size())}; }
  /// The one number of a tensor of size 1. Throws Error for any other size.
  real item(Where where = Where::here()) const;
  /// A tensor of its own with the same numbers, on no tape.
  Tensor copy() const;
  /// The same numbers without their history: a constant for whatever tape uses it.
  Tensor detach() const { return on(shape_, storage_); }

  const Storage& storage() const { return storage_; }
  /// The parameter this tensor is the value of, or null.
  const LeafPtr& leaf() const { return leaf_; }
  /// The parameter's name for messages, empty for any other tensor.
  std::string name() const;

 private:
  friend class Tape;
  friend class Parameter;
  friend class Saved;

  Shape shape_;
  Storage storage_;
  LeafPtr leaf_;       // set on the value of a parameter
  uint64_t tape_ = 0;  // the tape that knows this tensor, and under which number
  int32_t slot_ = -1;
};

/// Prints the shape and up to six numbers a row of up to eight rows.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

/// Token numbers and class labels: int32, never differentiated.
class Ids {
 public:
  Ids() = default;
  explicit Ids(const Shape& shape);
  /// Throws Error when the number of values is not shape.size().
  static Ids from(const Shape& shape, std::span<const int32_t> values, Where where = Where::here());
  static Ids from(const Shape& shape, std::initializer_list<int32_t> values, Where where = Where::here()) {
    return from(shape, std::span<const int32_t>(values.begin(), values.size()), where);
  }

  explicit operator bool() const { return static_cast<bool>(storage_); }
  const Shape& shape() const { return shape_; }
  int64_t size() const { return shape_.size(); }
  const int32_t* data() const { return storage_.as<int32_t>(); }
  int32_t* mutable_data() { return storage_.as<int32_t>(); }
  std::span<const int32_t> values() const { return {data(), static_cast<std::size_t>(size())}; }
  /// Entries begin … end - 1 of the first axis, copied. Throws Error when there are none such.
  Ids rows(int64_t begin, int64_t end, Where where = Where::here()) const;
  /// The same numbers under another shape of the same size.
  Ids reshaped(const Shape& shape, Where where = Where::here()) const;

 private:
  Shape shape_;
  Storage storage_;
};

}  // namespace tape::inline TAPE_ABI
