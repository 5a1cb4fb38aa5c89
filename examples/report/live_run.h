// The page of a run that goes on, made again when its files have grown.
#pragma once

#include <mutex>
#include <string>

#include <tape/examples/report/page_server.h>
#include <tape/examples/report/section.h>

namespace tape::inline TAPE_ABI::report {

class LiveRun {
 public:
  /// Of the run in this folder, which need not be there yet.
  LiveRun(std::string folder, Language language) : folder_(std::move(folder)), language_(language) {}

  /// The whole page, and its sections alone; see page.h. Throw Error while there is no run.
  std::string page();
  std::string sections();
  /// Both, for a server that does not outlive this.
  PageServer::Content content();

 private:
  void refresh();

  std::string folder_;
  Language language_;
  std::mutex mutex_;   // of what follows
  std::string state_;  // of the files, when the texts were made
  std::string page_, sections_;
};

}  // namespace tape::inline TAPE_ABI::report
