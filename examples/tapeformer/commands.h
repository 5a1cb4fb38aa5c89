// The subcommands of tapeformer. Each adds itself to the command line and puts its exit code into `exit_code` when it
// runs. `program` is how the program was called, for commands to copy. Errors leave as tape::Error; wrong options as
// CLI::ParseError, or as an Error that begins with the option.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace tapeformer {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;
constexpr int exit_interrupted = 130;

void add_train(CLI::App& app, const std::string& program, int& exit_code);
void add_sample(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app);
void add_schedule(CLI::App& app, int& exit_code);
void add_schemes(CLI::App& app);
void add_lab(CLI::App& app, int& exit_code);
void add_report(CLI::App& app, int& exit_code);

/// Adds the option --threads.
void add_threads(CLI::App& command);

/// The answer to --version.
std::string version_text();

}  // namespace tapeformer
