// Arena: memory for a tape's closures, taken by moving a pointer and given back all at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

class Arena {
 public:
  void* take(std::size_t bytes, std::size_t align) {
    offset_ = (offset_ + align - 1) / align * align;
    if (chunk_ < chunks_.size() && offset_ + bytes > chunks_[chunk_].size) {
      ++chunk_;
      offset_ = 0;
    }
    if (chunk_ == chunks_.size()) {
      const std::size_t size = bytes > chunk_size ? bytes : chunk_size;
      chunks_.push_back({std::make_unique<std::byte[]>(size), size});
    }
    // A kept chunk may be too small for an unusually large object: then the object gets a chunk before it.
    if (bytes > chunks_[chunk_].size) {
      chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(chunk_),
                     {std::make_unique<std::byte[]>(bytes), bytes});
    }
    void* memory = chunks_[chunk_].memory.get() + offset_;
    offset_ += bytes;
    return memory;
  }

  /// Forgets everything taken; keeps the memory. The owner has run the destructors.
  void reset() noexcept { chunk_ = offset_ = 0; }

 private:
  static constexpr std::size_t chunk_size = std::size_t{1} << 16;
  struct Chunk {
    std::unique_ptr<std::byte[]> memory;
    std::size_t size;
  };
  std::vector<Chunk> chunks_;
  std::size_t chunk_ = 0;
  std::size_t offset_ = 0;
};

}  // namespace tape::inline TAPE_ABI
