// Options of subcommands: one of a few names, and numbers with their default.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include <tape/core/error.h>
#include <tape/examples/support/corpus.h>
#include <tape/nn/model_config.h>

namespace tapeformer {

/// An option whose value is one of a few names, which `parse` knows and lists when it throws.
template <class Enum, class Parse>
CLI::Option* add_choice(CLI::App& command, const std::string& name, Enum& value, Parse parse,
                        const std::string& description) {
  using tape::nn::name_of;  // of enumerations of core, too
  using tape::tool::name_of;
  const auto error_of = [parse](const std::string& given) -> std::string {
    try {
      parse(given);
      return {};
    } catch (const tape::Error& error) {
      return error.what();
    }
  };
  return command
      .add_option_function<std::string>(
          name, [&value, parse](const std::string& given) { value = parse(given); }, description)
      ->check(CLI::Validator(error_of, "", name))
      ->type_name("NAME")
      ->default_str(std::string(name_of(value)));
}

/// For numbers without a sign, which a parser takes from "-1" too.
inline CLI::Validator not_negative() {
  const auto error_of = [](const std::string& given) -> std::string {
    return given.find('-') == std::string::npos ? "" : "must be at least 0, it is " + given;
  };
  return {error_of, "", "not negative"};
}

/// A range for a number, which help does not repeat.
template <class Value>
CLI::Validator from_to(Value least, Value most) {
  return CLI::Range(least, most).description("");
}

template <class Value>
CLI::Option* add_number(CLI::App& command, const std::string& name, Value& value, const std::string& description) {
  return command.add_option(name, value, description)->capture_default_str();
}

}  // namespace tapeformer
