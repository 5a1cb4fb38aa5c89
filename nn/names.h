// Names of enumerators as the command line and configuration files spell them.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::nn {

template <class Enum>
struct Named {
  Enum value;
  std::string_view name;
};

template <class Enum, std::size_t count>
std::string_view find_name(Enum value, const std::array<Named<Enum>, count>& table) {
  for (const Named<Enum>& row : table) {
    if (row.value == value) return row.name;
  }
  return "";
}

/// Throws Error "unknown scheme "foo": choose one of post, pre, deepnorm".
template <class Enum, std::size_t count>
Enum find_value(std::string_view what, std::string_view name, const std::array<Named<Enum>, count>& table) {
  std::string known;
  for (const Named<Enum>& row : table) {
    if (row.name == name) return row.value;
    known += str(known.empty() ? "" : ", ", row.name);
  }
  throw Error(str("unknown ", what, " \"", name, "\": choose one of ", known));
}

}  // namespace tape::inline TAPE_ABI::nn
