#include <tape/core/heap.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace tape::inline TAPE_ABI {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t region_size = std::size_t{16} << 30;
constexpr std::size_t smallest_rest = std::size_t{16} << 10;  // less is left to the piece that it would be cut from

std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Only addresses: memory comes where it is written.
void* addresses(std::size_t bytes) {
  void* const mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return mapped == MAP_FAILED ? nullptr : mapped;
}

}  // namespace

void* Heap::take(std::size_t bytes) {
  const std::size_t size = round_up(bytes, alignment);
  const auto found = std::find_if(free_.begin(), free_.end(), [size](const Free& each) { return each.size >= size; });
  Piece* const piece = found == free_.end() ? grow(size) : found->piece;
  if (!piece) return nullptr;
  if (piece->free) remove(piece);
  cut(piece, size);
  if (piece->held < piece->size) {
    ++system_allocations_;
    piece->held = piece->size;
  }
  return memory_of(piece);
}

void Heap::give(void* memory) {
  auto* const piece = reinterpret_cast<Piece*>(static_cast<std::byte*>(memory) - sizeof(Piece));
  const auto join = [](Piece* left, Piece* right) {
    left->size += sizeof(Piece) + right->size;
    left->held += sizeof(Piece) + right->held;
    after(left)->before = left;
  };
  if (Piece* const next = after(piece); next->free) {
    remove(next);
    join(piece, next);
  }
  if (Piece* const before = piece->before; before && before->free) {
    waiting_ += sizeof(Piece) + piece->held;
    join(before, piece);
    place_of(before)->size = before->size;
  } else {
    insert(piece);
  }
}

void Heap::trim() {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  for (const auto& [piece, size] : free_) {
    const auto begin = reinterpret_cast<std::uintptr_t>(memory_of(piece));
    const std::uintptr_t first = round_up(begin, page);
    const std::uintptr_t last = (begin + size) / page * page;
    if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
    piece->held = 0;
  }
  waiting_ = 0;
}

Heap::Piece* Heap::append(Piece* before, void* where, std::size_t size) {
  auto* const piece = new (where) Piece;
  piece->before = before;
  piece->size = size;
  return piece;
}

// A piece at the end of the region: new, or the last one there, made larger.
Heap::Piece* Heap::grow(std::size_t size) {
  Piece* last = end_ && end_->before && end_->before->free ? end_->before : nullptr;
  std::size_t more = last ? size - last->size : size + sizeof(Piece);
  if (more > room_) {
    if (!reserve(size + sizeof(Piece))) return nullptr;
    last = nullptr;
    more = size + sizeof(Piece);
  }
  room_ -= more;
  if (last) {
    remove(last);
  } else {
    last = end_;
  }
  last->size = size;
  end_ = append(last, after(last), 0);
  return last;
}

// A new region. What is behind the one at hand stays unused, and takes no memory.
bool Heap::reserve(std::size_t bytes) {
  const std::size_t least = round_up(bytes + sizeof(Piece), huge_page) + huge_page;
  std::size_t size = std::max(least, region_size);
  void* mapped = addresses(size);
  while (!mapped && size > least) {
    size = std::max(least, size / 2);  // where addresses are limited
    mapped = addresses(size);
  }
  if (!mapped) return false;
  const std::size_t skipped = huge_page - reinterpret_cast<std::uintptr_t>(mapped) % huge_page;
  std::byte* const begin = static_cast<std::byte*>(mapped) + skipped;
#ifdef MADV_HUGEPAGE
  madvise(begin, size - skipped, MADV_HUGEPAGE);  // only advice: without it there are small pages
#endif
  free_.reserve(1024);  // so that giving back asks for no memory
  end_ = append(nullptr, begin, 0);
  room_ = size - skipped - sizeof(Piece);
  return true;
}

// What a piece has beyond `size` becomes a free piece behind it.
void Heap::cut(Piece* piece, std::size_t size) {
  if (piece->size < size + sizeof(Piece) + smallest_rest) return;
  Piece* const next = after(piece);
  Piece* const rest = append(piece, memory_of(piece) + size, piece->size - size - sizeof(Piece));
  next->before = rest;
  rest->held = std::min(rest->size, piece->held - std::min(piece->held, size + sizeof(Piece)));
  piece->size = size;
  piece->held = std::min(piece->held, size);
  insert(rest);
}

std::vector<Heap::Free>::iterator Heap::place_of(Piece* piece) {
  return std::lower_bound(free_.begin(), free_.end(), piece,
                          [](const Free& each, const Piece* wanted) { return each.piece < wanted; });
}

void Heap::insert(Piece* piece) {
  piece->free = true;
  free_.insert(place_of(piece), {piece, piece->size});
  waiting_ += piece->held;
}

void Heap::remove(Piece* piece) {
  piece->free = false;
  free_.erase(place_of(piece));
  waiting_ -= piece->held;
}

}  // namespace tape::inline TAPE_ABI
