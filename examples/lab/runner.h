// The runner: measures the cells that have not been measured yet, on several threads, each cell on one thread of its
// own, so that the same cell gives the same numbers however many run beside it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/support/folder_lock.h>

namespace tape::inline TAPE_ABI::lab {

struct RunOptions {
  std::vector<const Experiment*> experiments = {};
  Size size = Size::quick;
  int seeds = 0;  ///< of each cell; 0: as many as each experiment asks for
  int jobs = 1;   ///< cells at once
  std::string folder;
};

/// What a run would do.
struct Plan {
  int64_t cells = 0;
  int64_t done = 0;         ///< of these, measured already
  double seconds_left = 0;  ///< a guess for all that is left, on a usual processor core each
};
Plan plan_of(const RunOptions& options);

struct RunResult {
  int64_t measured = 0;
  bool interrupted = false;  ///< by Ctrl-C: the cells in progress were finished
  double seconds = 0;
};

/// Runs experiment after experiment, with a status line that has the time left. The caller holds the lock on the folder
/// as long as data and page are written. Throws Error of the store, and the first one of a cell, after the cells beside
/// it have ended.
RunResult run(const RunOptions& options, const tool::FolderLock& lock);

}  // namespace tape::inline TAPE_ABI::lab
