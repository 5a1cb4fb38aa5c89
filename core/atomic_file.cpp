#include <tape/core/atomic_file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace tape::inline TAPE_ABI {

namespace {

// Replacing a link itself would leave what it points to out of date.
std::string followed(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_symlink(path, error)) return path;
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target.string();
}

// Power loss may forget the new name as long as its folder is not on the disk. Some file systems can not do this;
// the file is whole in any case, so failures do not matter.
void sync_folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(followed(path)) {
  struct stat old {};
  const bool exists = ::stat(path_.c_str(), &old) == 0;
  if (exists && !S_ISREG(old.st_mode)) {
    throw Error(str("can not write ", path_, ": there is a ", S_ISDIR(old.st_mode) ? "folder" : "device",
                    " of that name; choose another name"));
  }
  static std::atomic<int> count{0};
  do {  // the name may be left over from a program that was killed
    temporary_ = str(path_, temporary_mark, ::getpid(), ".", count.fetch_add(1));
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  const int code = errno;
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  if (descriptor_ < 0 && (code == ENOENT || code == ENOTDIR) && !folder.empty())
    throw Error(str("can not write ", path_, ": ",
                    code == ENOENT ? "there is no folder " + folder + "; make it" : folder + " is not a folder",
                    ", or choose another name"));
  if (descriptor_ < 0) fail("create a file in its folder", code);
  if (exists) ::fchmod(descriptor_, old.st_mode & 07777);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("store its data", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("store its data", errno);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("put the new file in its place", errno);
  ::close(descriptor_);
  descriptor_ = -1;
  sync_folder_of(path_);
}

void AtomicFile::fail(const char* action, int code) const {
  throw Error(str("can not write ", path_, ": failed to ", action, " (", std::generic_category().message(code),
                  "); a file that was there before is unchanged"));
}

void atomic_write_file(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace tape::inline TAPE_ABI
