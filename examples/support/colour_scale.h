// The colours of maps.
#pragma once

#include <string>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::tool {

/// "#0a1b2c" for a part of a range: 0 and below are yellow, 1 and above dark blue, over a grey: cividis (Nuñez,
/// Anderton & Renslow 2018) read backwards, alike for eyes with and without red-green blindness. Its lightness alone
/// tells the order.
std::string colour_at(double part);
/// Black or white, whichever stands out more on colour_at(part): at least 4.5 : 1.
const char* ink_on(double part);

}  // namespace tape::inline TAPE_ABI::tool
