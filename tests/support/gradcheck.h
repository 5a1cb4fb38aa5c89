// Gradient check: what backward computes against finite differences.
//
// Meant for the f64 twin. The function's output is contracted with a random cotangent, and each derivative is taken
// with the five-point stencil (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12h, whose error of order h⁴ leaves about ten
// digits. One number is compared for each tensor: |a - n| / (|a| + |n|), Euclidean norms of the analytic and numeric
// gradient.
#pragma once

#include <string>
#include <vector>

#include <tape/core/parameter.h>

#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

struct GradCheckOptions {
  double tolerance = 1e-6;
  double step = 1e-3;          ///< h
  double tiny = 1e-4;          ///< a gradient of smaller norm fails: checking it would prove nothing
  int64_t elements = 160;      ///< tensors up to this size are checked in each element, larger ones in as many random
                               ///< elements and in 16 random directions
  uint64_t seed = 1;           ///< of the cotangent, elements and directions
  std::vector<int> zero = {};  ///< inputs that f does not depend on: both gradients must vanish
};

/// The comparison for one input or parameter.
struct GradientError {
  std::string name;
  double error = 0;     ///< |a - n| / (|a| + |n|)
  double analytic = 0;  ///< |a|
  double numeric = 0;   ///< |n|
};

/// Compares the gradients of all inputs and of all parameters, whose leaves are perturbed in place and restored. A
/// tensor that f uses twice is one input that f hands on twice.
std::vector<GradientError> gradient_errors(const Function& f, const Inputs& inputs,
                                           const ParameterList& parameters = {}, const GradCheckOptions& options = {});

/// Catch2 checks on gradient_errors: each below the tolerance, none tiny unless listed in `zero`. Parameters are
/// counted after the inputs there.
void check_gradients(const Function& f, const Inputs& inputs, const ParameterList& parameters = {},
                     const GradCheckOptions& options = {});
inline void check_gradients(const Function& f, const Inputs& inputs, const GradCheckOptions& options) {
  check_gradients(f, inputs, {}, options);
}

}  // namespace tape::inline TAPE_ABI::test
