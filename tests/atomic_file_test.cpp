// Files that are replaced whole or not at all.
#include <tape/core/atomic_file.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "catch.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

using namespace tape;
using namespace tape::test;

namespace {

// While it lives no file of this process can grow beyond `bytes`: writing fails as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

mode_t permissions(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777;
}

}  // namespace

TEST_CASE("atomic_write_file makes and replaces a file", "[file]") {
  const TempFolder folder;
  const std::string path = folder / "config.json";
  atomic_write_file(path, "first");
  CHECK(read_file(path) == "first");
  const std::string bytes("second\0with a zero byte", 23);
  atomic_write_file(path, bytes);
  CHECK(read_file(path) == bytes);
  atomic_write_file(path, "");
  CHECK(read_file(path).empty());
  CHECK(folder.entries() == 1);
}

TEST_CASE("a file in the current folder needs no folder in its name", "[file]") {
  const TempFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  atomic_write_file("plain.txt", "here");
  std::filesystem::current_path(before);
  CHECK(read_file(folder / "plain.txt") == "here");
}

TEST_CASE("without a commit the old file stays and the temporary goes", "[file]") {
  const TempFolder folder;
  const std::string path = folder / "weights";
  atomic_write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("half of the ne");
    CHECK(folder.entries() == 2);
    CHECK(read_file(path) == "old");
  }
  CHECK(read_file(path) == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("on a full disk the old file stays whole", "[file]") {
  const TempFolder folder;
  const std::string path = folder / "weights";
  atomic_write_file(path, "old");
  std::string message;
  {
    const FileSizeLimit limit(10'000);
    message = error_of([&] { atomic_write_file(path, std::string(100'000, 'x')); });
  }
  CHECK(has_parts(message, {path, "File too large", "unchanged"}));
  CHECK(read_file(path) == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("folders, devices and places that can not be written are refused", "[file]") {
  const TempFolder folder;
  atomic_write_file(folder / "file", "text");
  const auto write_to = [](const std::string& path) { return error_of([&] { atomic_write_file(path, "x"); }); };
  CHECK(has_parts(write_to(folder.path()), {folder.path(), "folder"}));
  CHECK(has_parts(write_to(folder / "missing/file"),
                  {folder / "missing/file", "there is no folder " + folder / "missing", "make it"}));
  CHECK(has_parts(write_to(folder / "file/below"), {folder / "file/below", "is not a folder"}));
  CHECK(has_parts(write_to("/dev/full"), {"/dev/full", "device"}));
  CHECK(std::filesystem::is_character_file("/dev/full"));
  CHECK(read_file(folder / "file") == "text");
  CHECK(folder.entries() == 1);

  if (::geteuid() != 0) {  // nothing is unwritable for root
    std::filesystem::permissions(folder.path(), std::filesystem::perms(0555));
    CHECK(has_parts(write_to(folder / "file"), {folder / "file", "Permission denied"}));
    std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  }
}

TEST_CASE("a replaced file keeps its permissions, a new one gets the usual ones", "[file]") {
  const TempFolder folder;
  const mode_t mask = ::umask(022);
  atomic_write_file(folder / "new", "x");
  ::umask(mask);
  CHECK(permissions(folder / "new") == 0644);
  std::filesystem::permissions(folder / "new", std::filesystem::perms(0600));
  atomic_write_file(folder / "new", "y");
  CHECK(permissions(folder / "new") == 0600);
}

TEST_CASE("a link stays a link", "[file]") {
  const TempFolder folder;
  atomic_write_file(folder / "step-100", "old");
  std::filesystem::create_symlink("step-100", folder / "latest");
  atomic_write_file(folder / "latest", "new");
  CHECK(std::filesystem::is_symlink(folder / "latest"));
  CHECK(read_file(folder / "step-100") == "new");
}
