// What the folder of a run says about its course: read for a page, also while the run goes on.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tape/examples/support/config.h>
#include <tape/examples/support/metrics.h>
#include <tape/examples/support/watch_log.h>

namespace tape::inline TAPE_ABI::report {

struct RunData {
  std::string folder;
  std::string name = {};  ///< the folder's last part, or all of it where another run has the same
  tool::RunConfig config = {};
  std::vector<std::pair<std::string, std::string>> settings = {};  ///< all of config.json: "model.layers", "4"
  std::vector<tool::Metrics> metrics = {};
  std::vector<tool::WatchRecord> watch = {};  ///< empty for a run that was not watched

  /// The last step that there is a line of; 0 without any.
  int64_t last_step() const;
  /// The step that failed: its loss or its gradient was not a finite number.
  std::optional<int64_t> diverged_at() const;
  bool finished() const { return !diverged_at() && last_step() >= config.recipe.steps; }
  /// The lines that have a training loss, those that have a validation loss.
  std::optional<double> last_loss() const;
  std::optional<double> best_validation() const;
};

/// As many runs fit on one page, since as many lines can be told apart.
constexpr std::size_t most_runs = 8;

/// Reads the runs in these folders. Throws Error that names the folder for one that is missing, holds no run, is
/// damaged or given twice, and for more than most_runs.
std::vector<RunData> load_runs(const std::vector<std::string>& folders);

}  // namespace tape::inline TAPE_ABI::report
