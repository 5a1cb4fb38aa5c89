#include <tape/examples/support/files.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace tape::inline TAPE_ABI::tool {

namespace {

class OpenFile {
 public:
  // Without waiting: a pipe that nobody writes to must not hang the program.
  explicit OpenFile(const std::string& path)
      : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0 && errno == ENOENT) throw Error(str("there is no file ", path));
    if (descriptor_ < 0) fail(errno);
    struct stat info {};
    if (::fstat(descriptor_, &info) != 0) fail(errno);
    if (S_ISDIR(info.st_mode)) throw Error(str(path, " is a folder, not a file"));
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode)) throw Error(str(path, " is a device, not a file"));
    ::fcntl(descriptor_, F_SETFL, 0);
  }
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  std::string read_all() {
    std::string bytes;
    std::array<char, 1 << 16> buffer;
    for (;;) {
      const ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail(errno);
      if (count == 0) return bytes;
      bytes.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

 private:
  [[noreturn]] void fail(int code) const {
    throw Error(str("can not read ", path_, ": ", std::generic_category().message(code)));
  }

  std::string path_;
  int descriptor_;
};

}  // namespace

std::string read_file(const std::string& path) {
  return OpenFile(path).read_all();
}

}  // namespace tape::inline TAPE_ABI::tool
