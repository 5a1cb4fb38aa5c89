// Storage: alignment, sharing, and the pool that serves repeated requests.
#include <tape/core/sanitizer.h>
#include <tape/core/storage.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

TEST_CASE("Storage is aligned to 64 bytes and large enough at every size", "[storage]") {
  for (std::size_t bytes : {0u, 1u, 63u, 64u, 65u, 100u, 511u, 513u, 4096u, 5000u, 70001u, 1u << 20, (5u << 20) + 3}) {
    const Storage storage = Storage::allocate(bytes);
    auto* data = storage.as<unsigned char>();
    CHECK(reinterpret_cast<std::uintptr_t>(data) % Storage::alignment == 0);
    std::memset(data, 0xA5, bytes);  // a sanitizer sees any step outside
    if (bytes > 0) CHECK(data[bytes - 1] == 0xA5);
  }
}

TEST_CASE("Blocks in use never overlap", "[storage]") {
  std::vector<Storage> blocks;
  for (int i = 0; i < 200; ++i) {
    const auto bytes = static_cast<std::size_t>(1 + i * 37 % 1000);
    blocks.push_back(Storage::allocate(bytes));
    std::memset(blocks.back().as<char>(), i, bytes);
  }
  for (int i = 0; i < 200; ++i) {
    const auto bytes = static_cast<std::size_t>(1 + i * 37 % 1000);
    const char* data = blocks[static_cast<std::size_t>(i)].as<char>();
    CHECK(data[0] == static_cast<char>(i));
    CHECK(data[bytes - 1] == static_cast<char>(i));
  }
}

TEST_CASE("Copies of a handle share the block, and the last one returns it", "[storage]") {
  const std::size_t before = pool_stats().bytes_in_use;
  {
    Storage a = Storage::allocate(1000);
    CHECK(a.unique());
    const std::size_t with_one = pool_stats().bytes_in_use;
    CHECK(with_one >= before + 1000);
    CHECK(with_one <= before + 1125);  // at most 12.5 % more than asked
    {
      const Storage b = a;  // NOLINT: the copy is what is tested
      CHECK(a.shares(b));
      CHECK_FALSE(a.unique());
      CHECK(pool_stats().bytes_in_use == with_one);
    }
    CHECK(a.unique());
    Storage moved = std::move(a);
    CHECK_FALSE(a);  // NOLINT: a moved-from handle is empty
    CHECK(moved.unique());
    const Storage& same = moved;
    moved = same;  // assigning to itself keeps the block
    CHECK(moved.unique());
    CHECK(pool_stats().bytes_in_use == with_one);
  }
  CHECK(pool_stats().bytes_in_use == before);
}

TEST_CASE("A repeated request is served from the pool", "[storage]") {
  const void* first = Storage::allocate(123456).as<void>();
  const int64_t asked = pool_stats().system_allocations;
  for (int i = 0; i < 10; ++i) CHECK(Storage::allocate(123456).as<void>() == first);
  CHECK(pool_stats().system_allocations == asked);
}

TEST_CASE("Blocks fit in the place of one that is as large as they are together", "[storage]") {
  if (sanitizer_sees_memory) return;  // then each block is by itself
  for (const std::size_t unit : {std::size_t{1} << 16, std::size_t{192} << 10, std::size_t{3} << 20}) {
    INFO(unit);
    const auto* const whole = Storage::allocate(8 * unit).as<std::byte>();
    std::vector<Storage> parts;
    for (const std::size_t size : {1U, 3U, 4U}) parts.push_back(Storage::allocate(size * unit));
    for (const Storage& part : parts) {
      CHECK(part.as<std::byte>() >= whole);
      CHECK(part.as<std::byte>() < whole + 8 * unit);
    }
  }
}

TEST_CASE("Trimming gives waiting memory back and keeps what is used", "[storage]") {
  const Storage kept = Storage::allocate(64);
  *kept.as<int>() = 42;
  { const Storage dropped = Storage::allocate(1 << 20); }
  CHECK(pool_stats().bytes_held >= pool_stats().bytes_in_use + (1 << 20));
  pool_trim();
  CHECK(pool_stats().bytes_held == pool_stats().bytes_in_use);
  CHECK(*kept.as<int>() == 42);
}

TEST_CASE("The peak is the highest use so far", "[storage]") {
  const std::size_t use = pool_stats().bytes_in_use;
  const std::size_t size = pool_stats().peak_bytes_in_use + (1 << 16);
  { const Storage large = Storage::allocate(size); }
  CHECK(pool_stats().peak_bytes_in_use >= use + size);
  CHECK(pool_stats().bytes_in_use == use);
}

TEST_CASE("Handles may be copied and dropped on several threads", "[storage]") {
  const std::size_t before = pool_stats().bytes_in_use;
  {
    const Storage shared = Storage::allocate(256);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([copy = shared, t] {
        for (int i = 0; i < 2000; ++i) {
          const Storage again = copy;  // NOLINT
          const Storage other = Storage::allocate(static_cast<std::size_t>(64 * (1 + (i + t) % 5)));
          *other.as<int>() = i;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(shared.unique());
  }
  CHECK(pool_stats().bytes_in_use == before);
}

TEST_CASE("Asking for more memory than there can be is an Error that names the size", "[storage][errors]") {
  CHECK(has_parts(error_of([] { Storage::allocate(std::size_t{1} << 47); }), {"out of memory", "MiB", "smaller"}));
  CHECK(has_parts(error_of([] { Tensor::zeros({1 << 30, 1 << 30}); }), {"out of memory"}));
}

}  // namespace tape::test
