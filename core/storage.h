// Storage: reference-counted, 64-byte-aligned memory from a pool that keeps what it has been given.
//
// A training step asks for the same sizes as the step before it, so after two steps every request is served from the
// pool: no system allocation, no page faults. Small requests are rounded up to size classes (8 per doubling, at most
// 12.5 % more than asked); those from 64 KiB on come from a Heap in huge pages.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

/// A shared handle on a block of memory. Copies refer to the same block; the last one gives it back to the pool.
/// The count is atomic: handles may be copied and dropped on any thread.
class Storage {
 public:
  static constexpr std::size_t alignment = 64;

  Storage() = default;
  /// Takes uninitialised memory. Throws Error, naming the size, when there is none.
  static Storage allocate(std::size_t bytes);
  template <class T>
  static Storage of(int64_t count) {
    return allocate(static_cast<std::size_t>(count) * sizeof(T));
  }

  Storage(const Storage& other) noexcept : block_(other.block_) {
    if (block_) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Storage(Storage&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Storage& operator=(Storage other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Storage() {
    if (block_ && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) release(block_);
  }

  explicit operator bool() const { return block_ != nullptr; }
  /// True when no other handle shares the block, so that it may be written in place.
  bool unique() const { return block_ && block_->references.load(std::memory_order_acquire) == 1; }
  bool shares(const Storage& other) const { return block_ && block_ == other.block_; }

  template <class T>
  T* as() const {
    return block_ ? reinterpret_cast<T*>(reinterpret_cast<std::byte*>(block_) + alignment) : nullptr;
  }

 private:
  friend class Pool;
  struct Block {  // sits in the 64 bytes before the data
    std::atomic<int64_t> references{1};
    std::size_t capacity = 0;  // bytes of data
    int size_class = -1;       // of a small block
    Block* next_free = nullptr;
  };
  static_assert(sizeof(Block) <= alignment);

  explicit Storage(Block* block) : block_(block) {}
  static void release(Block* block) noexcept;

  Block* block_ = nullptr;
};

/// What the pool holds, for reports and tests.
struct PoolStats {
  std::size_t bytes_in_use = 0;       ///< handed out
  std::size_t bytes_held = 0;         ///< taken from the system: in use or waiting to be used again
  std::size_t peak_bytes_in_use = 0;  ///< highest bytes_in_use so far
  int64_t system_allocations = 0;     ///< how often the system was asked for memory
};

PoolStats pool_stats();
/// Gives all waiting memory back to the system.
void pool_trim();

}  // namespace tape::inline TAPE_ABI
