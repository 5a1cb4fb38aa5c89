// A program of subcommands: runs the one that a command line names, and says what goes wrong.
#pragma once

#include <CLI/CLI.hpp>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::command_line {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;
constexpr int exit_interrupted = 130;

/// Adds the option --threads.
void add_threads(CLI::App& command);

/// Call it early in main. A program started without standard streams would get their numbers for its own files, and
/// print into them: this gives it streams that lead nowhere.
void open_standard_streams();

/// Parses, and by that runs the command. What is wrong is one line on standard error: exit_usage for a wrong command
/// line and for an Error that begins with an option, exit_failure for other errors, else `exit_code`, which the command
/// may set. Where the command `is_for_reading`, that its output can not be written is such an error.
int run_program(CLI::App& app, int argc, char** argv, const int& exit_code, bool (*is_for_reading)(const CLI::App&));

}  // namespace tape::inline TAPE_ABI::command_line
