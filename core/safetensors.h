// Files of named tensors in the safetensors format: 8 bytes with the length of a header, a JSON header with the type,
// shape and place of every tensor, then the numbers, little-endian and without gaps.
// Format: https://huggingface.co/docs/safetensors
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// What the header says of one tensor.
struct SafetensorsInfo {
  std::string dtype;           ///< as in the file: "F32", "BF16", "I64", …
  std::vector<int64_t> sizes;  ///< may have more axes than a Shape
  int64_t count = 0;           ///< number of elements: the product of the sizes

  /// Throws Error for more than Shape::max_rank axes.
  Shape shape() const { return Shape(std::span<const int64_t>(sizes)); }
};

/// A safetensors file open for reading. Copies share the open file; reading is safe from several threads.
class SafetensorsFile {
 public:
  /// Opens the file and checks its whole header before any number is read: JSON, types, shapes, and that the tensors
  /// cover the data without overlap or gap. Throws Error that names the file, and the tensor where there is one.
  static SafetensorsFile open(const std::string& path);

  const std::string& path() const { return path_; }
  /// Names of all tensors, sorted.
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return entries_.count(name) != 0; }
  /// Throws Error when there is no such tensor.
  const SafetensorsInfo& info(const std::string& name) const { return entry(name).info; }
  /// The texts that the file carries along.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Reads a tensor of type F32, F64, F16, BF16, I32 or I64; each number is converted to the nearest real.
  /// Throws Error for another type, for more than Shape::max_rank axes, and when the file can not be read.
  Tensor read(const std::string& name) const;
  /// The same into existing memory. Throws Error unless the tensor has exactly `count` elements.
  void read_into(const std::string& name, real* out, int64_t count) const;
  /// Reads a tensor of type I32 or I64 without rounding.
  std::vector<int64_t> read_integers(const std::string& name) const;

 private:
  friend class SafetensorsHeader;
  struct Entry {
    SafetensorsInfo info;
    uint64_t begin = 0;  // of its bytes, counted from the start of the data
    uint64_t end = 0;
  };
  class Descriptor;

  const Entry& entry(const std::string& name) const;
  [[noreturn]] void fail(const std::string& why) const;
  [[noreturn]] void fail(const std::string& name, const std::string& why) const;
  void read_bytes(const std::string& name, uint64_t offset, void* out, std::size_t bytes) const;
  template <class Stored, class Out, class Convert>
  void read_as(const std::string& name, Out* out, Convert convert) const;

  std::string path_;
  std::shared_ptr<const Descriptor> file_;
  uint64_t data_start_ = 0;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// Writes a file with these tensors, type F32 (F64 in the f64 twin). The same tensors give the same bytes in whatever
/// order they come: sorted by name, those of a multiple of 64 bytes first, so that they start at multiples of 64.
/// The file appears whole or not at all (AtomicFile). Throws Error for a name that occurs twice, is "__metadata__" or
/// is not UTF-8, for a missing tensor, and when the file can not be written; an older file is then unchanged.
void save_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace tape::inline TAPE_ABI
