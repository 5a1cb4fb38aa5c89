// Parameter: a named, trainable tensor. What an optimizer and a tape need to know of it stands in its Leaf, which stays
// where it is when the module that owns the parameter moves.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <tape/core/precision.h>
#include <tape/core/shape.h>
#include <tape/core/storage.h>

namespace tape::inline TAPE_ABI {

class Tensor;

/// How a parameter gets its first values. `gain` scales the distribution; `row_gains`, if given, replaces it for groups
/// of rows, so that a packed query-key-value weight can be drawn as three matrices, each with a fan-out of its own.
struct Init {
  enum class Kind { zeros, ones, constant, normal, xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal };
  Kind kind = Kind::zeros;
  double gain = 1.0;                     ///< of a distribution; the value itself of Kind::constant
  double stddev = 0.02;                  ///< Kind::normal only
  std::vector<double> row_gains = {};    ///< one for each group of rows, empty for a single group
  std::vector<int64_t> group_rows = {};  ///< rows of each group; empty for equal groups
};

/// The state of one parameter: shared by the Parameter, by tensors made from it, by tapes and by optimizers.
struct Leaf {
  std::string name = "(unnamed)";  ///< dotted path, set when its model is named
  Shape shape;
  Storage value;
  Storage gradient;           ///< same size as value; meaningful only while has_gradient
  Storage shard_gradient;     ///< of one shard, while that of the other is computed, see Shards
  bool has_gradient = false;  ///< false after a step: the next contribution overwrites
  bool initialized = false;   ///< false until values were drawn, loaded or assigned
  bool decay = true;          ///< weight decay asked for
  bool frozen = false;        ///< receives no gradient and no update
  bool routed = false;        ///< may go without a gradient: an expert that no token chose
  bool keep_f32 = false;      ///< nn::set_precision leaves it alone: what small differences could flip, as a router
  Precision precision = Precision::f32;  ///< of the products with it; see nn::set_precision
  Init init;

  int64_t size() const { return shape.size(); }
  real* data() const { return value.as<real>(); }
  real* gradient_data() const { return gradient.as<real>(); }
  /// The parameter's gradient. Throws Error by name when it has none.
  Tensor gradient_tensor() const;
};

using LeafPtr = std::shared_ptr<Leaf>;
/// What optimizers, clipping and files work on: parameters in the order of `visit`.
using ParameterList = std::vector<LeafPtr>;

/// A parameter as a member of a module. Converts to the Tensor that ops take. Moves, does not copy.
class Parameter {
 public:
  /// An absent parameter, such as the bias of a layer without one.
  Parameter() = default;
  explicit Parameter(const Shape& shape, Init init, bool decay);

  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(Parameter&&) noexcept = default;

  explicit operator bool() const { return leaf_ != nullptr; }
  /// The value as a leaf of whatever tape uses it; no tensor for an absent parameter. Throws Error when nothing has
  /// given it values yet.
  operator Tensor() const;  // NOLINT: a parameter is used as a tensor everywhere
  Tensor value() const;

  const LeafPtr& leaf() const { return leaf_; }
  Leaf& operator*() const { return *leaf_; }
  Leaf* operator->() const { return leaf_.get(); }

  /// How many parameters this thread has constructed so far: the count behind "visit() forgot a field".
  static int64_t constructed();

 private:
  LeafPtr leaf_;
};

}  // namespace tape::inline TAPE_ABI
