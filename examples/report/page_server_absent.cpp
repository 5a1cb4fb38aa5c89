// In the place of page_server.cpp where CMake did not find cpp-httplib.
#include "page_server.h"

namespace tape::inline TAPE_ABI::report {

struct PageServer::State {};

bool can_serve() {
  return false;
}

PageServer::PageServer(const std::string&, int, Content) {
  throw Error(
      "--serve needs cpp-httplib, which was missing when this program was built: install it (Debian, Ubuntu: "
      "libcpp-httplib-dev) and build again; --watch alone needs nothing");
}
PageServer::~PageServer() = default;

}  // namespace tape::inline TAPE_ABI::report
