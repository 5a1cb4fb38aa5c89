// One process trains in a folder at a time.
#pragma once

#include <string>
#include <utility>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::tool {

/// While it lives, and the process does, no other RunLock has this folder. It leaves no file. Folders of a file system
/// that knows no locks have none.
class RunLock {
 public:
  /// Throws Error when another process has it.
  explicit RunLock(const std::string& folder);
  RunLock(RunLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  RunLock& operator=(RunLock&&) = delete;
  ~RunLock();

 private:
  int descriptor_ = -1;
};

}  // namespace tape::inline TAPE_ABI::tool
