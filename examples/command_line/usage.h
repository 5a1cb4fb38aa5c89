// Wrong command lines: what is said about them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::command_line {

/// A message about a setting in the words of this command: "GPT: layers must be at least 1" → "--layers must be at
/// least 1". A message about nothing that is an option stays as it is.
std::string in_options(std::string_view message, const CLI::App& command);

/// Calls `check`: what it throws Error for is a wrong option of this command.
template <class Check>
auto as_usage(const CLI::App& command, const Check& check) {
  try {
    return check();
  } catch (const Error& error) {
    throw CLI::ValidationError(in_options(error.what(), command));
  }
}

/// What is wrong with a command line that was not parsed. Names an unknown option or command, and what was meant.
std::string message_of(const CLI::ParseError& error, const CLI::App& app);

}  // namespace tape::inline TAPE_ABI::command_line
