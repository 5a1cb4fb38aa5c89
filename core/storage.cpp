#include <tape/core/storage.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

#include <tape/core/error.h>
#include <tape/core/heap.h>
#include <tape/core/sanitizer.h>

namespace tape::inline TAPE_ABI {

namespace {

// From here on memory comes from the heap; below it is kept by size class. A sanitizer sees steps outside of what it
// allocated itself: for it, everything is kept so.
constexpr int large_log2 = sanitizer_sees_memory ? 47 : 16;
constexpr int smallest_log2 = 6;  // 64 bytes
constexpr int steps_log2 = 3;     // 8 size classes per doubling
constexpr int class_count = (large_log2 - smallest_log2 + 1) << steps_log2;
constexpr std::size_t large = std::size_t{1} << large_log2;

struct SizeClass {
  int index;
  std::size_t bytes;
};

// Rounds up to (8 + s)/8 · 2^e bytes, s = 0…7, in whole multiples of 64.
SizeClass size_class(std::size_t bytes) {
  const std::size_t wanted = std::max(bytes, std::size_t{1} << smallest_log2);
  const int exponent = static_cast<int>(std::bit_width(wanted)) - 1;
  const std::size_t base = std::size_t{1} << exponent;
  const std::size_t step = std::max(base >> steps_log2, Storage::alignment);
  const std::size_t rounded = (wanted + step - 1) / step * step;
  const int rounded_exponent = static_cast<int>(std::bit_width(rounded)) - 1;
  const std::size_t fraction = (rounded - (std::size_t{1} << rounded_exponent)) << steps_log2 >> rounded_exponent;
  return {((rounded_exponent - smallest_log2) << steps_log2) + static_cast<int>(fraction), rounded};
}

}  // namespace

class Pool {
 public:
  static Pool& instance() {
    static Pool* const pool = new Pool;  // never destroyed: tensors in static storage may outlive any order of exit
    return *pool;
  }

  Storage::Block* take(std::size_t bytes) {
    if (bytes > std::size_t{1} << 46) fail(bytes);
    const std::lock_guard lock(mutex_);
    Storage::Block* const block = bytes < large ? small_block(size_class(bytes)) : large_block(bytes);
    if (!block) fail(bytes);
    bytes_in_use_ += block->capacity;
    peak_bytes_in_use_ = std::max(peak_bytes_in_use_, bytes_in_use_);
    return block;
  }

  void give(Storage::Block* block) noexcept {
    const std::lock_guard lock(mutex_);
    bytes_in_use_ -= block->capacity;
    if (block->size_class < 0) {
      block->~Block();
      heap_.give(block);
    } else {
      Storage::Block*& head = free_[static_cast<std::size_t>(block->size_class)];
      block->next_free = head;
      head = block;
      bytes_waiting_ += block->capacity;
    }
  }

  void trim() {
    const std::lock_guard lock(mutex_);
    trim_locked();
  }

  PoolStats stats() {
    const std::lock_guard lock(mutex_);
    return {.bytes_in_use = bytes_in_use_,
            .bytes_held = bytes_in_use_ + bytes_waiting_ + heap_.waiting(),
            .peak_bytes_in_use = peak_bytes_in_use_,
            .system_allocations = small_allocations_ + heap_.system_allocations()};
  }

 private:
  Storage::Block* small_block(SizeClass size) {
    Storage::Block*& head = free_[static_cast<std::size_t>(size.index)];
    if (Storage::Block* const block = head) {
      head = block->next_free;
      block->references.store(1, std::memory_order_relaxed);
      bytes_waiting_ -= block->capacity;
      return block;
    }
    const auto ask = [size] { return std::aligned_alloc(Storage::alignment, Storage::alignment + size.bytes); };
    void* memory = ask();
    if (!memory) {
      trim_locked();
      memory = ask();
    }
    if (!memory) return nullptr;
    ++small_allocations_;
    auto* const block = new (memory) Storage::Block;
    block->capacity = size.bytes;
    block->size_class = size.index;
    return block;
  }

  // A block takes a 512th more than its bytes, in which the records of block and piece have room: so 192 and 576 KiB
  // fit where 768 were, as do a layer's input and its queries, keys and values where its hidden numbers were.
  Storage::Block* large_block(std::size_t bytes) {
    const std::size_t size = bytes + bytes / 512 - Heap::record_bytes;
    static_assert(large / 512 >= Heap::record_bytes + Storage::alignment);
    void* memory = heap_.take(size);
    if (!memory) {
      trim_locked();
      memory = heap_.take(size);
    }
    if (!memory) return nullptr;
    auto* const block = new (memory) Storage::Block;
    block->capacity = bytes;
    return block;
  }

  void trim_locked() {
    for (Storage::Block*& head : free_) {
      while (head) {
        Storage::Block* next = head->next_free;
        head->~Block();
        std::free(head);
        head = next;
      }
    }
    bytes_waiting_ = 0;
    heap_.trim();
  }

  [[noreturn]] static void fail(std::size_t bytes) {
    throw Error(str("out of memory: no room for ", static_cast<double>(bytes) / (1 << 20),
                    " MiB; use a smaller batch, context or model"));
  }

  std::mutex mutex_;
  std::array<Storage::Block*, class_count> free_{};
  Heap heap_;
  std::size_t bytes_in_use_ = 0;
  std::size_t peak_bytes_in_use_ = 0;
  std::size_t bytes_waiting_ = 0;  // in free_
  int64_t small_allocations_ = 0;
};

Storage Storage::allocate(std::size_t bytes) {
  return Storage(Pool::instance().take(bytes));
}
void Storage::release(Block* block) noexcept {
  Pool::instance().give(block);
}
PoolStats pool_stats() {
  return Pool::instance().stats();
}
void pool_trim() {
  Pool::instance().trim();
}

}  // namespace tape::inline TAPE_ABI
