// A thread that helps another with its loops: both parts are computed, once, whoever computes them, and what one throws
// arrives.
#include <tape/core/helper.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <tape/core/parallel.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using Clock = std::chrono::steady_clock;

bool comes_true(const auto& condition) {
  const auto end = Clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// A thread that helps this one until it is told to stop.
struct Team {
  Helper helper = {};
  std::thread other = {};
  std::optional<Helper::Scope> scope = {};

  Team() {
    helper.open();
    other = std::thread([this] {
      set_threads(1);
      helper.help();
    });
    scope.emplace(helper);
    CHECK(comes_true([] { return Helper::share([](bool) {}); }));
  }
  ~Team() {
    scope.reset();
    helper.close();
    other.join();
  }
};

}  // namespace

TEST_CASE("A loop is shared with a thread that helps, and with none otherwise", "[helper]") {
  CHECK_FALSE(Helper::share([](bool) { FAIL("nobody helps"); }));
  const auto here = std::this_thread::get_id();
  {
    const Team team;
    std::atomic<bool> begun = false;
    std::thread::id own;
    std::thread::id others;
    std::atomic<bool> shared_inside = false;  // assertions of Catch2 are for one thread
    CHECK(Helper::share([&](bool other) {
      (other ? others : own) = std::this_thread::get_id();
      if (other) begun = true;
      if (!other) comes_true([&] { return begun.load(); });
      if (Helper::share([](bool) {})) shared_inside = true;
    }));
    CHECK(own == here);
    CHECK(others == team.other.get_id());
    CHECK_FALSE(shared_inside);
  }
  CHECK_FALSE(Helper::share([](bool) { FAIL("nobody helps any more"); }));
}

TEST_CASE("Who helps after the end returns at once, and a part that nobody began is computed here", "[helper]") {
  Helper helper;
  helper.open();
  helper.close();
  helper.help();
  // It still looks as if someone helped.
  const Helper::Scope scope(helper);
  std::vector<bool> parts;
  const auto here = std::this_thread::get_id();
  CHECK(Helper::share([&](bool other) {
    CHECK(std::this_thread::get_id() == here);
    parts.push_back(other);
  }));
  CHECK(parts == std::vector<bool>{false, true});
}

TEST_CASE("What a part throws is thrown by share, and the thread goes on helping", "[helper]") {
  const Team team;
  std::thread::id others;
  for (const char* thrower : {"the own", "the other", "none"}) {
    std::atomic<bool> begun = false;
    const auto work = [&](bool other) {
      if (other) others = std::this_thread::get_id();
      if (other) begun = true;
      if (!other) comes_true([&] { return begun.load(); });
      const std::string part = other ? "the other" : "the own";
      if (part == thrower) throw std::runtime_error(part);
    };
    if (std::string("none") == thrower) {
      CHECK(Helper::share(work));
    } else {
      CHECK_THROWS_WITH(Helper::share(work), thrower);
    }
    CHECK(others == team.other.get_id());
    others = {};
  }
}

TEST_CASE("Loops give a part to a thread that helps", "[helper]") {
  const Threads one(1);  // a second one of its own could take the other part
  const Team team;
  std::array<std::thread::id, 2> threads_of;
  std::atomic<int> begun = 0;
  const auto note = [&](int64_t part) {
    threads_of[static_cast<std::size_t>(part)] = std::this_thread::get_id();
    ++begun;
    comes_true([&] { return begun == 2; });
  };
  const auto check = [&] {
    CHECK((threads_of[0] == team.other.get_id()) != (threads_of[1] == team.other.get_id()));
    begun = 0;
  };
  parallel_for(6, 3, [&](int64_t begin, int64_t /*end*/) { note(begin / 3); });
  check();
  parallel_tasks(2, 0, [&](int64_t task, real*) { note(task); });
  check();
}

TEST_CASE("Loops with a helper cover each index and each task once", "[helper]") {
  const Team team;
  for (const int64_t n : {0, 1, 2, 3, 7, 64, 1000}) {
    INFO("n " << n);
    for (int repeat = 0; repeat < 20; ++repeat) {
      std::vector<int> seen(static_cast<std::size_t>(n));
      std::atomic<bool> at_borders = true;
      parallel_for(n, 3, [&](int64_t begin, int64_t end) {
        if (begin % 3 != 0) at_borders = false;
        for (int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
      });
      parallel_tasks(n, 5, [&](int64_t task, real* scratch) {
        std::fill_n(scratch, 5, static_cast<real>(task));
        seen[static_cast<std::size_t>(task)] += scratch[4] == static_cast<real>(task) ? 1 : 100;
      });
      CHECK(seen == std::vector<int>(static_cast<std::size_t>(n), 2));
      CHECK(at_borders);
    }
  }
}

}  // namespace tape::inline TAPE_ABI::test
