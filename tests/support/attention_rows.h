// Rows of the table of ops (op_table.h) for the forms of attention and of rotary positions.
#pragma once

#include "support/op_table.h"

namespace tape::inline TAPE_ABI::test {

std::vector<OpRow> attention_form_rows();

}  // namespace tape::inline TAPE_ABI::test
