// The options that say what a look into a trained model shows: the text it reads, its layers and heads.
#pragma once

#include <CLI/CLI.hpp>

#include <tape/examples/inspect/page.h>

namespace tapeformer {

struct LookOptions {
  tape::inspect::TextRequest request = {};
  tape::inspect::Selection selection = {};
};

/// Adds --text, --target, --mask, --layers and --heads; they write into `look`, which must live as long as the command.
/// `without_text` says in brackets what happens without --text.
void add_look_options(CLI::App& command, LookOptions& look, const std::string& without_text);

}  // namespace tapeformer
