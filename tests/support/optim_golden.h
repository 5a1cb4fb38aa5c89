// Runs SGD, Adam and AdamW as tests/golden/optim.py ran PyTorch's, and compares; optimizers.h has the others.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tape/optim/adam.h>
#include <tape/optim/sgd.h>

namespace tape::inline TAPE_ABI::test {

/// One setting of the golden file.
struct OptimizerCase {
  std::string name;  ///< its prefix in the file
  double rate;       ///< step s uses rate·(1 + s mod 3)
  std::function<std::unique_ptr<optim::Optimizer>(ParameterList)> make;
  std::vector<std::string> averages;  ///< those the file has
};

std::vector<OptimizerCase> optimizer_cases();

/// The largest difference between ours and PyTorch's, relative to the largest element of each tensor.
struct GoldenDifference {
  double values = 0;    ///< of the values, after each of ten steps
  double averages = 0;  ///< of the running averages, after the last one
};

GoldenDifference golden_difference(const OptimizerCase& test);

/// The parameters start.0 … start.2 of the golden file, named p0 … p2, and the gradients of a step put into them.
ParameterList golden_parameters();
void put_golden_gradients(const ParameterList& parameters, int64_t step);

/// A parameter of an optimizer's tests: fixed pseudo-random values and a gradient that depends on `seed`.
LeafPtr leaf_of(const std::string& name, const Shape& shape, uint64_t seed = 1);
void put_gradient(const LeafPtr& leaf, uint64_t seed);
void put_gradients(const ParameterList& parameters, uint64_t seed);
/// Copies of all values.
std::vector<Tensor> values_of(const ParameterList& parameters);
/// True when each tensor has the same bits as its counterpart.
bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b);

}  // namespace tape::inline TAPE_ABI::test
