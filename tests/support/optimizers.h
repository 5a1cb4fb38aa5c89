// Every optimizer, by name, for what all of them promise; and those of tests/golden/optim_more.py as that ran them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::test {

struct OptimizerRow {
  std::string name;  ///< its kind, and the option that is not the default
  std::function<std::unique_ptr<optim::Optimizer>(ParameterList)> make;
  double rate;  ///< with which it learns small things
};

/// All kinds, those with and without weight decay, single numbers or averages of other shapes among them.
const std::vector<OptimizerRow>& all_optimizers();

/// One setting of optim_more.safetensors; step s uses rate·(1 + s mod 3).
const std::vector<OptimizerRow>& more_golden_optimizers();

/// The largest difference between our values and the golden ones, relative to the largest element of each tensor. Those
/// for evaluation are compared too where the file has them.
double more_golden_difference(const OptimizerRow& row);

}  // namespace tape::inline TAPE_ABI::test
