// Names in messages: not all of many, and the one that was meant.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

/// "a, b, c": all names up to `most`; of more, the first ones "and 12 more".
std::string first_names(std::span<const std::string> names, std::size_t most = 8);

/// The known name that `name` is a misspelling of: the one with the fewest letters changed, added, left out or swapped,
/// whatever their case; empty when more than a third of its letters, or two, would have to change.
std::string nearest_name(std::string_view name, std::span<const std::string_view> known);

/// What a message says about a name that is none of `known`: "choose one of a, b, c", and before that "did you mean a?"
/// where one of them is near.
std::string choices_for(std::string_view name, std::span<const std::string_view> known);

}  // namespace tape::inline TAPE_ABI
