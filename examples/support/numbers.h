// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::tool {

/// 1234567 → "1,234,567".
std::string grouped(int64_t number);
/// "1 step", "2,000 steps": a number of what `one` names.
std::string counted(int64_t number, const std::string& one);
/// "950", "31.2k", "1.25M": at least three digits.
std::string short_number(double number);
/// Seconds as "0:36", "12:05" or "1:02:05".
std::string clock_time(double seconds);

/// At most `most` of 0 … count-1, evenly, with the first and the last; the last if there is to be one.
std::vector<std::size_t> some_of(std::size_t count, std::size_t most);

}  // namespace tape::inline TAPE_ABI::tool
