// A page that a browser can follow while it changes: HTTP from threads of their own, which get what the processor has
// to spare. By cpp-httplib; a build without it has a constructor that throws.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::report {

/// True unless the library was missing when this program was built.
bool can_serve();

class PageServer {
 public:
  /// What it serves, each asked for anew for every request, on whatever thread. One that throws Error is not there yet:
  /// the browser gets the message and tries again.
  struct Content {
    std::function<std::string()> page;      ///< at /
    std::function<std::string()> sections;  ///< at /sections
  };
  static constexpr const char* sections_address = "sections";

  /// Listens at once; port 0 takes a free one. Throws Error that says what is in the way.
  PageServer(const std::string& address, int port, Content content);
  /// Ends what is being answered, and the threads.
  ~PageServer();
  PageServer(const PageServer&) = delete;
  PageServer& operator=(const PageServer&) = delete;

  /// "http://127.0.0.1:8000/".
  const std::string& url() const { return url_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string url_;
};

}  // namespace tape::inline TAPE_ABI::report
