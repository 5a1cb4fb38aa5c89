// The subcommands of tapeformer. Each adds itself to the command line and puts its exit code into `exit_code` when it
// runs. `program` is how the program was called, for commands to copy. Errors leave as tape::Error; wrong options as
// CLI::ParseError, or as an Error that begins with the option.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include <tape/examples/command_line/choices.h>
#include <tape/examples/command_line/program.h>
#include <tape/examples/command_line/usage.h>

namespace tapeformer {

using namespace tape::command_line;

void add_train(CLI::App& app, const std::string& program, int& exit_code);
void add_sample(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app);
void add_schedule(CLI::App& app, int& exit_code);
void add_schemes(CLI::App& app);
void add_lab(CLI::App& app, int& exit_code);
void add_report(CLI::App& app, int& exit_code);

/// The answer to --version.
std::string version_text();

}  // namespace tapeformer
