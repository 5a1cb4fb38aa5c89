// The most memory that a piece of work has at once.
#pragma once

#include <cstddef>

#include <tape/core/storage.h>

namespace tape::inline TAPE_ABI::test {

/// Bytes beyond those in use before. The pool only knows its highest use ever, which other tests may have raised:
/// memory is brought up to there first, so that every further byte shows.
template <class Work>
std::size_t peak_memory_of(const Work& work) {
  const auto before = pool_stats();
  const Storage fill = Storage::allocate(before.peak_bytes_in_use - before.bytes_in_use);
  const std::size_t in_use = pool_stats().bytes_in_use;
  work();
  return pool_stats().peak_bytes_in_use - in_use;
}

}  // namespace tape::inline TAPE_ABI::test
