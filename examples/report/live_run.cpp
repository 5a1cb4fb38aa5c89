#include "live_run.h"

#include <filesystem>

#include <tape/examples/report/page.h>
#include <tape/examples/support/run_folder.h>

namespace tape::inline TAPE_ABI::report {

namespace {

// Differs when the files do.
std::string state_of(const std::string& folder) {
  const tool::RunFolder files(folder);
  std::string state;
  for (const std::string& file : {files.config(), files.metrics(), files.watch()}) {
    std::error_code missing;
    const auto size = std::filesystem::file_size(file, missing);
    const auto time = std::filesystem::last_write_time(file, missing);
    state += missing ? "-;" : str(size, " ", time.time_since_epoch().count(), ";");
  }
  return state;
}

}  // namespace

void LiveRun::refresh() {
  std::string state = state_of(folder_);
  if (state == state_) return;
  const std::vector<Section> sections = sections_of(load_runs({folder_}), language_);
  sections_ = body_of(sections, language_);
  page_ = live_page(sections, language_, PageServer::sections_address);
  state_ = std::move(state);
}

std::string LiveRun::page() {
  const std::lock_guard lock(mutex_);
  refresh();
  return page_;
}

std::string LiveRun::sections() {
  const std::lock_guard lock(mutex_);
  refresh();
  return sections_;
}

PageServer::Content LiveRun::content() {
  return {[this] { return page(); }, [this] { return sections(); }};
}

}  // namespace tape::inline TAPE_ABI::report
