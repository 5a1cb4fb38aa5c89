// Ctrl-C, `kill` and the end of a terminal as a wish to stop, so that a run can finish its step and save itself.
#pragma once

#include <array>
#include <csignal>
#include <semaphore>
#include <string_view>
#include <thread>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::tool {

/// While it lives, the first SIGINT or SIGTERM and every SIGHUP is only noted, and the first of them answered on
/// standard output at once; a second SIGINT or SIGTERM ends the program as usual. SIGHUP comes from a closed terminal
/// and from its shell, and a SIGTERM may follow. A signal that the program was started with orders to ignore stays
/// ignored. There may be one at a time.
///
/// Signals are handled by a thread that does nothing else: the thread that makes this, and all that start after it,
/// block them. While oneDNN multiplies, its stack pointer may point into the heap, where a handler's frame would
/// overwrite what lies below.
class Interrupt {
 public:
  /// `answer` is a line that says what happens now.
  explicit Interrupt(std::string_view answer);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool requested() const;

 private:
  std::array<struct sigaction, 3> before_{};
  sigset_t mask_before_{};
  std::binary_semaphore done_{0};
  std::thread listener_;
};

}  // namespace tape::inline TAPE_ABI::tool
