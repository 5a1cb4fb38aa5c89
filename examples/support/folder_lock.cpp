#include <tape/examples/support/folder_lock.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace tape::inline TAPE_ABI::tool {

namespace {

// -1 where there is no folder that can be opened.
int open_folder(const std::string& folder) {
  return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// Locks it, unless another has.
bool is_locked_already(int descriptor) {
  return descriptor >= 0 && ::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace

FolderLock::FolderLock(const std::string& folder, const std::string& alternative) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (std::error_code ignored;
      std::filesystem::exists(folder, ignored) && !std::filesystem::is_directory(folder, ignored))
    throw Error(str(folder, " is not a folder: there is a file of that name; give another one"));
  if (problem) throw Error(str("can not make the folder ", folder, ": ", problem.message()));
  descriptor_ = open_folder(folder);
  if (!is_locked_already(descriptor_)) return;
  ::close(descriptor_);
  throw Error(
      str("another process writes into ", folder, ": wait for its end", alternative.empty() ? "" : ", ", alternative));
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool FolderLock::is_taken(const std::string& folder) {
  const int descriptor = open_folder(folder);
  const bool taken = is_locked_already(descriptor);
  if (descriptor >= 0) ::close(descriptor);
  return taken;
}

}  // namespace tape::inline TAPE_ABI::tool
