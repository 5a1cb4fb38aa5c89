// What the folder of a run holds: how it was trained, and the model that came of it.
#pragma once

#include <tape/examples/support/config.h>
#include <tape/examples/support/model.h>
#include <tape/examples/support/run_folder.h>
#include <tape/examples/support/tokenizer.h>

namespace tape::inline TAPE_ABI::tool {

struct SavedRun {
  RunConfig config;
  CharTokenizer tokenizer;
};

/// Reads config.json and tokenizer.json. Throws Error when there is no run, when a file is missing or damaged, and when
/// they are not of the same run.
SavedRun load_saved_run(const RunFolder& folder);

struct TrainedModel {
  SavedRun run;
  Model model;
};

/// The same with the model. Throws Error that says what to do also when there is none, or its file is damaged.
TrainedModel load_trained_model(const RunFolder& folder);

}  // namespace tape::inline TAPE_ABI::tool
