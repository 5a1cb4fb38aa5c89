// The subcommands of bench, and options that several of them have.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include <tape/examples/command_line/choices.h>
#include <tape/examples/command_line/program.h>

#include "workloads.h"

namespace bench {

using namespace tape::command_line;

void add_train(CLI::App& app);
void add_gemm(CLI::App& app);
void add_ops(CLI::App& app);
void add_scale(CLI::App& app);
void add_sample(CLI::App& app);
void add_start(CLI::App& app);
void add_head(CLI::App& app);

/// Adds --workload: names of workloads, separated by spaces or commas, or a single one.
inline CLI::Option* add_workloads(CLI::App& command, std::vector<std::string>& names, const std::string& description) {
  return command.add_option("--workload", names, description)
      ->check(known_by(workload))
      ->delimiter(',')
      ->type_name("NAME")
      ->capture_default_str();
}
inline CLI::Option* add_workload(CLI::App& command, std::string& name) {
  return command.add_option("--workload", name, "W1 … W4")
      ->check(known_by(workload))
      ->type_name("NAME")
      ->capture_default_str();
}
/// Adds --seconds, up to an hour.
inline CLI::Option* add_seconds(CLI::App& command, double& seconds,
                                const std::string& description = "How long to measure each") {
  return command.add_option("--seconds", seconds, description)
      ->check(number_from_to(0, 3600))
      ->type_name("FLOAT")
      ->capture_default_str();
}
/// Adds what all have: --json and --threads.
inline void add_common(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "For programs");
  add_threads(command);
}

}  // namespace bench
