// State: a memory as named tensors, so that a file of tensors is all that saving needs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI::optim {

/// An optimizer's memory as named tensors, to be saved beside the model: "adam.m.blocks.0.attn.qkv.weight".
using State = std::vector<std::pair<std::string, Tensor>>;

/// A count as a tensor of three digits to the base 2^20, the lowest first: exact up to 2^60, where a float is exact for
/// whole numbers up to 2^24 only.
Tensor count_tensor(int64_t count);
/// A double as a sum of three numbers of the scalar type, the largest first: exact also where that is float.
Tensor number_tensor(double number);

/// Takes named tensors out of a state and remembers everything that does not fit.
class StateReader {
 public:
  explicit StateReader(const State& state);

  /// No tensor when there is none of this name and shape.
  Tensor take(const std::string& name, const Shape& shape);
  int64_t take_count(const std::string& name);
  double take_number(const std::string& name);
  /// Throws one Error for everything that did not fit or is left over.
  void finish(const std::string& who) const;

 private:
  std::map<std::string, Tensor> tensors_;
  std::vector<std::string> missing_, unexpected_, mismatched_;
};

}  // namespace tape::inline TAPE_ABI::optim
