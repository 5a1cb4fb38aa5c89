// The colours of maps.
#pragma once

#include <string>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::tool {

/// "#0a1b2c" for a part of a range: 0 and below are yellow, 1 and above dark blue, over a grey: cividis (Nuñez,
/// Anderton & Renslow 2018) read backwards, alike for eyes with and without red-green blindness. Its lightness alone
/// tells the order.
std::string colour_at(double part);

}  // namespace tape::inline TAPE_ABI::tool
