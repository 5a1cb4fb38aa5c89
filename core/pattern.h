// Patterns of names, as freezing and parameter groups take them.
#pragma once

#include <string_view>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

/// True when the whole text fits the pattern, where * stands for any characters, also none: "blocks.*.attn.*".
/// Takes at most text·pattern steps, whatever the pattern.
bool matches_pattern(std::string_view text, std::string_view pattern);

}  // namespace tape::inline TAPE_ABI
