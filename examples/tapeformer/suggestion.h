// What to try with a model that has just been trained.
#pragma once

#include <string>

#include <tape/examples/support/tokenizer.h>
#include <tape/examples/support/trainer.h>

namespace tapeformer {

/// Options of `tapeformer sample` that work with this model, as a shell takes them: its prompt is from the data that
/// validates, so that it has no unknown characters and fits the context.
std::string sample_options(const tape::tool::Trainer& trainer, const tape::tool::CharTokenizer& tokenizer);

/// A word as a shell takes it.
std::string quoted(const std::string& word);

}  // namespace tapeformer
