// Heap: large pieces of memory in huge pages. A page of 2 MiB costs one page fault and one TLB entry where 512 small
// ones would be; neighbours share it, so that pieces smaller than a page have it too.
//
// Pieces that wait to be used again join their neighbours and are cut to size, so that the gradients of a step lie
// where its activations were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

/// Not thread-safe. Addresses are never given back to the system, memory is by trim().
class Heap {
 public:
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t record_bytes = 64;  ///< that a piece takes beside its own

  /// At least `bytes`, aligned to 64, not initialised; null when the system has none. The first waiting piece by
  /// address that is large enough is used: what lies behind it changes nothing, so that a step that asks for what the
  /// step before asked for, from the same start, finds everything where it was.
  void* take(std::size_t bytes);
  /// What take() gave.
  void give(void* memory);
  /// Gives the memory of all waiting pieces back to the system.
  void trim();

  /// Bytes of waiting pieces, as far as they have memory.
  std::size_t waiting() const { return waiting_; }
  /// How often a piece needed memory from the system.
  int64_t system_allocations() const { return system_allocations_; }

 private:
  // Stands before each piece. The pieces of a region lie one after the other; the last has no bytes and is never free.
  struct alignas(alignment) Piece {
    std::size_t size = 0;  // bytes, without this record
    std::size_t held = 0;  // of them, those that have memory: all but where a piece was trimmed
    Piece* before = nullptr;
    bool free = false;
  };
  static_assert(sizeof(Piece) == record_bytes);
  // Copied here from the records, which are far apart: looking for a piece reads on in one place.
  struct Free {
    Piece* piece;
    std::size_t size;
  };

  static std::byte* memory_of(Piece* piece) { return reinterpret_cast<std::byte*>(piece) + sizeof(Piece); }
  static Piece* after(Piece* piece) { return reinterpret_cast<Piece*>(memory_of(piece) + piece->size); }
  static Piece* append(Piece* before, void* where, std::size_t size);

  std::vector<Free>::iterator place_of(Piece* piece);
  Piece* grow(std::size_t size);
  bool reserve(std::size_t size);
  void cut(Piece* piece, std::size_t size);
  void insert(Piece* piece);
  void remove(Piece* piece);

  std::vector<Free> free_;  // by address
  Piece* end_ = nullptr;    // of the region at hand
  std::size_t room_ = 0;    // bytes behind it
  std::size_t waiting_ = 0;
  int64_t system_allocations_ = 0;
};

}  // namespace tape::inline TAPE_ABI
