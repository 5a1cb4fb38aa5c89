// How threads wait for each other.
#pragma once

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::tool {

/// Call it first in main. Threads that finish early wait for the others in a loop, for up to a few milliseconds, before
/// they go to sleep. On a machine that is busy with other things as well, the one that all wait for is often not
/// running at all, and the waiting keeps it from running: ten times slower was measured. This makes GCC's OpenMP wait a
/// thirtieth as long, which costs nothing on an idle machine. Since OpenMP reads its settings before main begins, the
/// program is started again, once, under the same process number. A GOMP_SPINCOUNT or OMP_WAIT_POLICY that is set
/// already is left alone.
void prefer_short_waits(char** argv);

}  // namespace tape::inline TAPE_ABI::tool
