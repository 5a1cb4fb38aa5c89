#include <tape/core/parameter.h>

#include <utility>

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

namespace {
thread_local int64_t parameters_constructed = 0;
}

Tensor Leaf::gradient_tensor() const {
  if (!has_gradient) throw Error(str("parameter ", name, " ", shape, " has no gradient: no backward pass reached it"));
  return Tensor::on(shape, gradient);
}

Parameter::Parameter(const Shape& shape, Init init, bool decay) : leaf_(std::make_shared<Leaf>()) {
  leaf_->shape = shape;
  leaf_->value = Storage::of<real>(shape.size());
  leaf_->decay = decay;
  leaf_->init = std::move(init);
  ++parameters_constructed;
}

Tensor Parameter::value() const {
  if (!leaf_) return {};
  if (!leaf_->initialized) {
    throw Error(str("parameter ", leaf_->name, " ", leaf_->shape,
                    " has no values yet: call nn::initialize(module, Seed{…}) or load a file first"));
  }
  Tensor tensor = Tensor::on(leaf_->shape, leaf_->value);
  tensor.leaf_ = leaf_;
  return tensor;
}

Parameter::operator Tensor() const {
  return value();
}

int64_t Parameter::constructed() {
  return parameters_constructed;
}

}  // namespace tape::inline TAPE_ABI
