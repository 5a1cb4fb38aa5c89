// The options of tapeformer train that say what a model is built from.
#pragma once

#include <CLI/CLI.hpp>

#include <tape/examples/support/config.h>

namespace tapeformer {

/// Adds them; they write into `config`, which must live as long as the command.
void add_model_options(CLI::App& command, tape::tool::RunConfig& config);

}  // namespace tapeformer
