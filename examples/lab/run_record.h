// DIR/runs.jsonl: which runs wrote into a folder, and on what machine.
#pragma once

#include <string>

#include <tape/examples/lab/figure.h>

namespace tape::inline TAPE_ABI::lab {

struct RunRecord {
  std::string size;  ///< "quick" or "full"
  int64_t cells = 0;
  int64_t measured = 0;
  int jobs = 1;
  double seconds = 0;
  std::string environment;  ///< program, compiler, processor and libraries
};

/// Appends a line. Throws Error when it can not be written.
void remember(const std::string& folder, const RunRecord& run);

/// All of them, a row each; lines that a crash cut off are left out.
Table runs_table(const std::string& folder);

}  // namespace tape::inline TAPE_ABI::lab
