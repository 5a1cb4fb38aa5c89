// The subcommands of bench.
#pragma once

#include <CLI/CLI.hpp>

namespace bench {

void add_train(CLI::App& app);
void add_gemm(CLI::App& app);
void add_ops(CLI::App& app);
void add_scale(CLI::App& app);
void add_sample(CLI::App& app);
void add_start(CLI::App& app);
void add_head(CLI::App& app);

}  // namespace bench
