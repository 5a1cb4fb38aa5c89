#include <tape/examples/support/waiting.h>

#include <unistd.h>

#include <cstdlib>

namespace tape::inline TAPE_ABI::tool {

void prefer_short_waits(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") || std::getenv("OMP_WAIT_POLICY")) return;
  ::setenv("GOMP_SPINCOUNT", "10000", 1);
  ::execv("/proc/self/exe", argv);  // returns only when it fails, and then all goes on as it would have
}

}  // namespace tape::inline TAPE_ABI::tool
