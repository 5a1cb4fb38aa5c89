// Signals that wish a program to stop.
#include <tape/examples/support/interrupt.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "catch.h"

namespace tape::test {

namespace {

// Sends this program a signal, which a thread of its own handles, and waits for it.
void send(int signal) {
  ::kill(::getpid(), signal);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

}  // namespace

TEST_CASE("A hang-up, told twice and followed by a request to terminate, is only noted", "[tool]") {
  const auto before = std::signal(SIGHUP, SIG_DFL);  // started by nohup it would be ignored
  {
    const tool::Interrupt interrupt("a signal was noted");
    CHECK(!interrupt.requested());
    send(SIGHUP);
    for (int i = 0; i < 200 && !interrupt.requested(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK(interrupt.requested());
    send(SIGHUP);
    send(SIGTERM);
    CHECK(interrupt.requested());
  }
  CHECK(!tool::Interrupt("").requested());
  std::signal(SIGHUP, before);
}

TEST_CASE("A signal that a program is to ignore stays ignored", "[tool]") {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  {
    const tool::Interrupt interrupt("a signal was noted");
    send(SIGHUP);
    CHECK(!interrupt.requested());
  }
  CHECK(std::signal(SIGHUP, before) == SIG_IGN);
}

}  // namespace tape::test
