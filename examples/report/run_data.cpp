#include "run_data.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <tape/examples/support/files.h>
#include <tape/examples/support/run_folder.h>

namespace tape::inline TAPE_ABI::report {

namespace fs = std::filesystem;

namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

// "{"model": {"layers": 4}}" → ("model.layers", "4").
void flatten(const nlohmann::ordered_json& json, const std::string& prefix, Settings& settings) {
  for (const auto& [key, value] : json.items()) {
    const std::string name = prefix.empty() ? key : prefix + "." + key;
    if (value.is_object()) {
      flatten(value, name, settings);
    } else {
      settings.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
}

RunData load_run(const std::string& folder) {
  const tool::RunFolder files(folder);
  files.require_run();
  if (!fs::exists(files.metrics()))
    throw Error(str(folder, " holds no run that has begun: ", files.metrics(), " is missing"));
  RunData run{.folder = folder, .config = tool::load_config(files.config())};
  flatten(nlohmann::ordered_json::parse(tool::read_file(files.config())), "", run.settings);
  run.metrics = tool::read_metrics(files.metrics());
  if (fs::exists(files.watch())) run.watch = tool::read_watch(files.watch());
  return run;
}

bool not_finite(const std::optional<double>& value) {
  return value && !std::isfinite(*value);
}

}  // namespace

int64_t RunData::last_step() const {
  return metrics.empty() ? 0 : metrics.back().step;
}

std::optional<int64_t> RunData::diverged_at() const {
  if (metrics.empty()) return std::nullopt;
  const tool::Metrics& last = metrics.back();
  return not_finite(last.loss) || not_finite(last.grad_norm) ? std::optional(last.step) : std::nullopt;
}

std::optional<double> RunData::last_loss() const {
  const auto has_loss = [](const tool::Metrics& m) { return m.loss && std::isfinite(*m.loss); };
  const auto found = std::find_if(metrics.rbegin(), metrics.rend(), has_loss);
  return found == metrics.rend() ? std::nullopt : found->loss;
}

std::optional<double> RunData::best_validation() const {
  std::optional<double> best;
  for (const tool::Metrics& m : metrics) {
    if (m.val_loss && std::isfinite(*m.val_loss) && (!best || *m.val_loss < *best)) best = m.val_loss;
  }
  return best;
}

std::vector<RunData> load_runs(const std::vector<std::string>& folders) {
  if (folders.size() > most_runs)
    throw Error(str("at most ", most_runs, " runs fit on one page, these are ", folders.size()));
  std::vector<RunData> runs;
  std::vector<fs::path> seen;
  for (const std::string& folder : folders) {
    runs.push_back(load_run(folder));
    const fs::path path = fs::canonical(folder);
    if (std::ranges::find(seen, path) != seen.end()) throw Error(str(folder, " is given twice"));
    seen.push_back(path);
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const fs::path last = seen[i].filename();
    const bool unique = std::ranges::count_if(seen, [&](const fs::path& p) { return p.filename() == last; }) == 1;
    runs[i].name = unique && !last.empty() ? last.string() : runs[i].folder;
  }
  return runs;
}

}  // namespace tape::inline TAPE_ABI::report
