// Small plots of block characters, for a terminal.
#pragma once

#include <string>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::tool {

/// A column for each value, as high as its share of `highest`, in eighths of a row: `rows` lines, the highest first.
/// A value above 0 is never left without a mark; what is not finite is left blank.
std::vector<std::string> columns(const std::vector<double>& values, double highest, int rows);

/// Whether this program's locale says that the terminal shows UTF-8.
bool shows_utf8();

}  // namespace tape::inline TAPE_ABI::tool
