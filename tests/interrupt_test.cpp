// Signals that wish a program to stop.
#include <tape/examples/support/interrupt.h>

#include <csignal>

#include "catch.h"

namespace tape::test {

TEST_CASE("A hang-up, told twice and followed by a request to terminate, is only noted", "[tool]") {
  const auto before = std::signal(SIGHUP, SIG_DFL);  // started by nohup it would be ignored
  {
    const tool::Interrupt interrupt("a signal was noted");
    CHECK(!interrupt.requested());
    std::raise(SIGHUP);
    CHECK(interrupt.requested());
    std::raise(SIGHUP);
    std::raise(SIGTERM);
    CHECK(interrupt.requested());
  }
  CHECK(!tool::Interrupt("").requested());
  std::signal(SIGHUP, before);
}

TEST_CASE("A signal that a program is to ignore stays ignored", "[tool]") {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  {
    const tool::Interrupt interrupt("a signal was noted");
    std::raise(SIGHUP);
    CHECK(!interrupt.requested());
  }
  CHECK(std::signal(SIGHUP, before) == SIG_IGN);
}

}  // namespace tape::test
