#include <tape/core/storage.h>

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI {

namespace {

constexpr int smallest_log2 = 6;  // 64 bytes
constexpr int steps_log2 = 3;     // 8 size classes per doubling
constexpr int class_count = 48 << steps_log2;
// A large request that would go to the system takes a waiting block up to two classes larger, when another one stays
// there: with a step's sizes that saves up to 3 MiB, while more classes, or the last block, cost more than they save.
constexpr std::size_t borrows_from = std::size_t{1} << 16;
constexpr int borrowed_classes = 2;
constexpr std::size_t huge_page = std::size_t{2} << 20;

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
    const SizeClass size = size_class(bytes);
    const std::lock_guard lock(mutex_);
    Storage::Block* block = waiting(size.index);
    if (!block && size.bytes >= borrows_from) block = borrowed(size.index);
    if (!block) block = from_system(size);
    stats_.bytes_in_use += block->capacity;
    stats_.peak_bytes_in_use = std::max(stats_.peak_bytes_in_use, stats_.bytes_in_use);
    return block;
  }

  void give(Storage::Block* block) noexcept {
    const std::lock_guard lock(mutex_);
    Storage::Block*& head = free_[static_cast<std::size_t>(block->size_class)];
    block->next_free = head;
    head = block;
    stats_.bytes_in_use -= block->capacity;
  }

  void trim() {
    const std::lock_guard lock(mutex_);
    trim_locked();
  }

  PoolStats stats() {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  // A block of this class that waits to be used again, or null.
  Storage::Block* waiting(int index) {
    Storage::Block*& head = free_[static_cast<std::size_t>(index)];
    Storage::Block* const block = head;
    if (block) {
      head = block->next_free;
      block->references.store(1, std::memory_order_relaxed);
    }
    return block;
  }

  Storage::Block* borrowed(int index) {
    for (int lender = index + 1; lender <= std::min(index + borrowed_classes, class_count - 1); ++lender) {
      const Storage::Block* const head = free_[static_cast<std::size_t>(lender)];
      if (head && head->next_free) return waiting(lender);
    }
    return nullptr;
  }

  Storage::Block* from_system(SizeClass size) {
    void* memory = system_memory(size.bytes);
    if (!memory) {
      trim_locked();
      memory = system_memory(size.bytes);
    }
    if (!memory) fail(size.bytes);
    ++stats_.system_allocations;
    stats_.bytes_held += size.bytes;
    auto* block = new (memory) Storage::Block;
    block->capacity = size.bytes;
    block->size_class = size.index;
    return block;
  }

  static void* system_memory(std::size_t bytes) {
    const std::size_t total = bytes + Storage::alignment;  // the block's record comes first
    if (total < 2 * huge_page) return std::aligned_alloc(Storage::alignment, total);
    void* memory = std::aligned_alloc(huge_page, (total + huge_page - 1) / huge_page * huge_page);
#ifdef MADV_HUGEPAGE
    if (memory) madvise(memory, total, MADV_HUGEPAGE);  // only advice: fewer page faults and TLB misses where granted
#endif
    return memory;
  }

  void trim_locked() {
    for (Storage::Block*& head : free_) {
      while (head) {
        Storage::Block* next = head->next_free;
        stats_.bytes_held -= head->capacity;
        head->~Block();
        std::free(head);
        head = next;
      }
    }
  }

  [[noreturn]] static void fail(std::size_t bytes) {
    throw Error(str("out of memory: no room for ", static_cast<double>(bytes) / (1 << 20),
                    " MiB; use a smaller batch, context or model"));
  }

  std::mutex mutex_;
  std::array<Storage::Block*, class_count> free_{};
  PoolStats stats_;
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
