// Heap: pieces never overlap, waiting pieces join their neighbours and are cut to size, memory goes back by trimming.
#include <tape/core/heap.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "catch.h"

namespace tape::test {

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

// A heap never gives its addresses back: all tests share one.
Heap& heap() {
  static Heap shared;
  return shared;
}

}  // namespace

TEST_CASE("A heap's pieces are aligned, and keep what is written to them", "[heap]") {
  struct Piece {
    unsigned char* memory;
    std::size_t bytes;
    unsigned char mark;
  };
  std::vector<Piece> pieces;
  const auto whole = [](const Piece& piece) {
    return std::all_of(piece.memory, piece.memory + piece.bytes, [&](unsigned char c) { return c == piece.mark; });
  };
  std::minstd_rand random(3);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  for (int i = 0; i < 2000; ++i) {
    if (pieces.size() > 20 || (!pieces.empty() && below(2) == 0)) {
      const auto which = below(pieces.size());
      const Piece piece = pieces[which];
      REQUIRE(whole(piece));
      heap().give(piece.memory);
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(which));
    } else {
      const auto bytes = 1 + below(i % 10 == 0 ? 3000000 : 100000);
      auto* const memory = static_cast<unsigned char*>(heap().take(bytes));
      REQUIRE(memory);
      REQUIRE(reinterpret_cast<std::uintptr_t>(memory) % Heap::alignment == 0);
      const auto mark = static_cast<unsigned char>(i);
      std::memset(memory, mark, bytes);
      pieces.push_back({memory, bytes, mark});
    }
    if (i == 1000) heap().trim();
  }
  for (const Piece& piece : pieces) {
    CHECK(whole(piece));
    heap().give(piece.memory);
  }
}

TEST_CASE("Waiting neighbours of a heap join, whatever their order", "[heap]") {
  std::vector<std::size_t> order = {0, 1, 2, 3};
  const std::size_t waiting = heap().waiting();
  do {
    std::vector<void*> pieces;
    void* const whole = heap().take(8 * mib);
    heap().give(whole);
    for (int i = 0; i < 4; ++i) pieces.push_back(heap().take(mib));
    CHECK(pieces[0] == whole);
    CHECK(heap().waiting() < waiting + 8 * mib);
    for (const std::size_t i : order) heap().give(pieces[i]);
    const int64_t asked = heap().system_allocations();
    CHECK(heap().take(8 * mib) == whole);
    CHECK(heap().system_allocations() == asked);
    heap().give(whole);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("A heap uses the first waiting piece that is large enough: the same requests find the same places",
          "[heap]") {
  const auto step = [] {
    std::vector<void*> places;
    for (int i = 0; i < 40; ++i) {
      places.push_back(heap().take(mib + static_cast<std::size_t>(i * 37 % 11) * mib / 4));
      if (i % 3 == 2) heap().give(places[static_cast<std::size_t>(i) - 1]);
    }
    for (int i = 0; i < 40; ++i) {
      if (i % 3 != 1 || i == 39) heap().give(places[static_cast<std::size_t>(i)]);
    }
    return places;
  };
  void* const kept = heap().take(3 * mib);
  const std::vector<void*> first = step();
  const int64_t asked = heap().system_allocations();
  CHECK(step() == first);
  void* const behind = heap().take(400 * mib);  // more memory behind changes nothing
  heap().give(behind);
  const int64_t after = heap().system_allocations();
  CHECK(step() == first);
  CHECK(after == asked + 1);
  CHECK(heap().system_allocations() == after);
  heap().give(kept);
}

TEST_CASE("A trimmed heap has no memory waiting, and asks the system anew", "[heap]") {
  void* const piece = heap().take(4 * mib);
  void* const kept = heap().take(mib);
  std::memset(piece, 1, 4 * mib);
  std::memset(kept, 2, mib);
  heap().give(piece);
  CHECK(heap().waiting() >= 4 * mib);
  heap().trim();
  CHECK(heap().waiting() == 0);
  const int64_t asked = heap().system_allocations();
  auto* const again = static_cast<unsigned char*>(heap().take(4 * mib));
  CHECK(heap().system_allocations() == asked + 1);
  std::memset(again, 3, 4 * mib);
  CHECK(std::all_of(static_cast<unsigned char*>(kept), static_cast<unsigned char*>(kept) + mib,
                    [](unsigned char c) { return c == 2; }));
  heap().give(again);
  CHECK(heap().waiting() >= 4 * mib);
  heap().give(kept);
}

TEST_CASE("A heap says when the system has no memory", "[heap]") {
  CHECK_FALSE(heap().take(std::size_t{1} << 60));
  void* const piece = heap().take(mib);  // and goes on
  CHECK(piece);
  heap().give(piece);
}

}  // namespace tape::test
