// One process writes into a folder at a time: a training run, or the lab.
#pragma once

#include <string>
#include <utility>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::tool {

/// While it lives, and the process does, no other FolderLock has this folder. It leaves no file. Folders of a file
/// system that knows no locks have none.
class FolderLock {
 public:
  /// Makes the folder if it is missing. Throws Error when it can not be made, and when another process has it; then the
  /// message ends with what else one can do than wait, "or …".
  explicit FolderLock(const std::string& folder, const std::string& alternative = "");
  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

  /// Has another FolderLock this folder at the moment?
  static bool is_taken(const std::string& folder);

 private:
  int descriptor_ = -1;
};

}  // namespace tape::inline TAPE_ABI::tool
