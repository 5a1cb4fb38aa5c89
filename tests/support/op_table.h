// The table of all ops: one row for each op and variant, with inputs of any size.
//
// The gradient checks run over it in the f64 twin, the comparison of bits between numbers of threads in f32. A new op
// gets a row here; a test compares the table with the declarations in core/ops.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

/// An op at one size: its inputs, and the function of them.
struct OpCase {
  Inputs inputs;
  Function f;
  std::vector<int> zero = {};  ///< inputs whose gradient is zero at this size, such as those of a softmax of one number
  bool cancels = false;        ///< constant when both inputs are the same tensor, such as x - x
};

struct OpRow {
  std::string op;       ///< the name on the tape
  std::string variant;  ///< what distinguishes the row from others of the same op
  std::function<OpCase(int64_t rows, int64_t columns)> make;

  std::string name() const { return variant.empty() ? op : op + ", " + variant; }
};

/// Rows of every family of ops, in the order of the headers.
const std::vector<OpRow>& op_table();

}  // namespace tape::inline TAPE_ABI::test
