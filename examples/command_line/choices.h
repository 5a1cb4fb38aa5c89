// Options of subcommands: one of a few names, and numbers with their default.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <concepts>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include <tape/core/error.h>
#include <tape/core/name_list.h>
#include <tape/examples/support/corpus.h>
#include <tape/nn/model_config.h>

namespace tape::inline TAPE_ABI::command_line {

/// Names that `parse` knows; it lists them when it throws.
template <class Parse>
CLI::Validator known_by(Parse parse) {
  const auto error_of = [parse](const std::string& given) -> std::string {
    try {
      parse(given);
      return {};
    } catch (const Error& error) {
      return error.what();
    }
  };
  return {error_of, "", "name"};
}

/// The letters and digits of a name, in lower case: "Pre-LN" → "preln".
inline std::string plain(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') result += static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) result += c;
  }
  return result;
}

/// The value of a name in a table. Throws Error for another one; for a title, "RMSNorm", it asks whether rms is meant.
template <class Row, class Enum>
Enum named(std::string_view what, std::string_view given, std::span<const Row> table, Enum Row::*value) {
  std::vector<std::string_view> names;
  std::string_view meant = given;
  for (const Row& row : table) {
    if (row.name == given) return row.*value;
    if (plain(row.title) == plain(given)) meant = row.name;
    names.push_back(row.name);
  }
  throw Error(str("unknown ", what, " \"", given, "\": ", choices_for(meant, names)));
}
inline nn::Scheme scheme_named(std::string_view name) {
  return named("scheme", name, nn::scheme_table(), &nn::SchemeInfo::scheme);
}
inline nn::NormKind norm_named(std::string_view name) {
  return named("norm", name, nn::norm_table(), &nn::NormInfo::kind);
}

/// An option whose value is one of a few names, which `parse` knows.
template <class Enum, class Parse>
CLI::Option* add_choice(CLI::App& command, const std::string& name, Enum& value, Parse parse,
                        const std::string& description) {
  using nn::name_of;  // of enumerations of core, too
  using tool::name_of;
  return command
      .add_option_function<std::string>(
          name, [&value, parse](const std::string& given) { value = parse(given); }, description)
      ->check(known_by(parse))
      ->type_name("NAME")
      ->default_str(std::string(name_of(value)));
}

/// An option that only does something where it `is_used`, which is for …
struct UsedOption {
  const char* option;
  bool is_used;
  const char* by;
};
/// Throws for an option that was given and would change nothing: who gives one expects something of it.
inline void refuse_unused(const CLI::App& command, std::initializer_list<UsedOption> rules) {
  for (const UsedOption& rule : rules) {
    if (!rule.is_used && command.get_option(rule.option)->count() > 0)
      throw CLI::ValidationError(std::string(rule.option) + " would change nothing here: it is for " + rule.by);
  }
}

/// Reads a whole number in decimal digits, all of `text`, into `value`; says what is wrong otherwise, or nothing.
template <std::integral Value>
std::string read_whole(std::string_view text, Value& value) {
  const auto [next, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  const bool number = !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (!number) return str("must be a whole number in decimal digits, it is ", text.empty() ? "empty" : text);
  if (code == std::errc{} && next == text.data() + text.size()) return {};
  const bool below = text.starts_with('-');
  return str("must be at ", below ? "least " : "most ",
             below ? std::numeric_limits<Value>::min() : std::numeric_limits<Value>::max(), ", it is ", text);
}

/// A range for a whole number, which help does not repeat.
template <std::integral Value>
CLI::Validator from_to(Value least, Value most) {
  const auto error_of = [least, most](const std::string& given) -> std::string {
    Value value{};
    const std::string wrong = read_whole(given, value);
    if (wrong.empty() && value >= least && value <= most) return {};
    const bool number = wrong.empty() || wrong.starts_with("must be at");
    return number ? str("must be from ", least, " to ", most, ", it is ", given) : wrong;
  };
  return {error_of, "", "range"};
}

/// The same for any number.
inline CLI::Validator number_from_to(double least, double most) {
  const auto error_of = [least, most](const std::string& given) -> std::string {
    double value = 0;
    const auto [next, code] = std::from_chars(given.data(), given.data() + given.size(), value);
    if (next != given.data() + given.size() || code == std::errc::invalid_argument)
      return str("must be a number, it is ", given.empty() ? "empty" : given);
    const bool inside = code == std::errc{} && value >= least && value <= most;
    return inside ? "" : str("must be from ", least, " to ", most, ", it is ", given);
  };
  return {error_of, "", "range"};
}

/// Any whole number that fits. CLI11 by itself would read 010 as 8 and 18446744073709551616 as one less.
template <std::integral Value>
CLI::Validator whole_number() {
  const auto error_of = [](const std::string& given) {
    Value ignored{};
    return read_whole(given, ignored);
  };
  return {error_of, "", "whole number"};
}

/// An option whose value is a whole number.
template <std::integral Value>
CLI::Option* add_whole(CLI::App& command, const std::string& name, Value& value, const std::string& description) {
  return command
      .add_option_function<std::string>(
          name, [&value](const std::string& given) { read_whole(given, value); }, description)
      ->check(whole_number<Value>())
      ->type_name(std::is_signed_v<Value> ? "INT" : "UINT");
}

/// An option whose value is a number, with its default in the help.
template <class Value>
CLI::Option* add_number(CLI::App& command, const std::string& name, Value& value, const std::string& description) {
  if constexpr (std::is_integral_v<Value>) {
    return add_whole(command, name, value, description)->default_str(std::to_string(value));
  } else {
    return command.add_option(name, value, description)->capture_default_str();
  }
}

}  // namespace tape::inline TAPE_ABI::command_line
