// Processor time of a thread, which what else runs on the machine does not count in.
#pragma once

#include <ctime>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::lab {

/// Seconds that this thread has computed.
inline double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace tape::inline TAPE_ABI::lab
