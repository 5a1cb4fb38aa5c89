// What the folder of a run says about it, but for the numbers of its model.
#pragma once

#include <tape/examples/support/config.h>
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

}  // namespace tape::inline TAPE_ABI::tool
