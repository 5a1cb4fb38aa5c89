// Names of enumerators as the command line and configuration files spell them.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <tape/core/error.h>
#include <tape/core/name_list.h>

namespace tape::inline TAPE_ABI::nn {

template <class Enum>
struct Named {
  Enum value;
  std::string_view name;
};

/// The name of a value in a table whose rows have a `name` and the value as the member `value_of`; "" without a row.
template <class Enum, class Row, std::size_t count>
std::string_view find_name(Enum value, const std::array<Row, count>& table, Enum Row::*value_of) {
  for (const Row& row : table) {
    if (row.*value_of == value) return row.name;
  }
  return "";
}
template <class Enum, std::size_t count>
std::string_view find_name(Enum value, const std::array<Named<Enum>, count>& table) {
  return find_name(value, table, &Named<Enum>::value);
}

/// The value of a name. Throws Error "unknown scheme "foo": choose one of post, pre, deepnorm"; see choices_for().
template <class Enum, class Row, std::size_t count>
Enum find_value(std::string_view what, std::string_view name, const std::array<Row, count>& table,
                Enum Row::*value_of) {
  std::array<std::string_view, count> known;
  for (std::size_t i = 0; i < count; ++i) {
    if (table[i].name == name) return table[i].*value_of;
    known[i] = table[i].name;
  }
  throw Error(str("unknown ", what, " \"", name, "\": ", choices_for(name, known)));
}
template <class Enum, std::size_t count>
Enum find_value(std::string_view what, std::string_view name, const std::array<Named<Enum>, count>& table) {
  return find_value(what, name, table, &Named<Enum>::value);
}

}  // namespace tape::inline TAPE_ABI::nn
