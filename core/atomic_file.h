// Files that are replaced whole or not at all: a crash, a full disk or a lost power supply leaves the old file.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI {

/// Writes a temporary file beside `path`, which takes the place of `path` in one step on commit(). Without a commit
/// the temporary is removed and `path` stays as it was. A link is followed: what it points to is replaced.
class AtomicFile {
 public:
  /// What the name of a temporary file has behind that of the file.
  static constexpr const char* temporary_mark = ".tmp.";

  /// Throws Error when the folder is missing or not writable, or `path` is a folder or a device.
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends bytes. Throws Error when they can not be written, as on a full disk.
  void write(std::string_view bytes);
  template <class T>
  void write(std::span<const T> values) {
    write(std::string_view(reinterpret_cast<const char*>(values.data()), values.size_bytes()));
  }
  /// Forces the data onto the disk and puts the file in its place, with the permissions of the file it replaces.
  void commit();

 private:
  [[noreturn]] void fail(const char* action, int code) const;

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
};

/// Replaces the file at `path` by one that holds `bytes`, or throws Error and leaves the old one whole.
void atomic_write_file(const std::string& path, std::string_view bytes);

}  // namespace tape::inline TAPE_ABI
