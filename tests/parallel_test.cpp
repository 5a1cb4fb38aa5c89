// Parallel loops: every index once, sums independent of the threads, denormals flushed inside and only there.
#include <tape/core/parallel.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <tape/core/error.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

// A denormal times one, computed where the compiler can not see it: 0 when denormals are flushed.
float denormal_times_one() {
  volatile float smallest = std::numeric_limits<float>::denorm_min();
  volatile float one = 1.0f;
  return smallest * one;
}

}  // namespace

TEST_CASE("parallel_for visits every index once, in ranges that begin at multiples of the grain", "[parallel]") {
  for (const int count : {1, 2, 3, 4}) {
    const Threads use(count);
    for (const int64_t n : {0, 1, 7, 8, 9, 63, 1000}) {
      std::vector<int> visits(static_cast<std::size_t>(n), 0);
      std::vector<int> bad(static_cast<std::size_t>(n), 0);
      parallel_for(n, 8, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          ++visits[static_cast<std::size_t>(i)];
          bad[static_cast<std::size_t>(i)] = begin % 8 != 0 || (end % 8 != 0 && end != n);
        }
      });
      CHECK(visits == std::vector<int>(static_cast<std::size_t>(n), 1));
      CHECK(std::accumulate(bad.begin(), bad.end(), 0) == 0);
    }
  }
}

TEST_CASE("parallel_tasks runs every task once, with scratch memory of its own", "[parallel]") {
  for (const int count : {1, 2, 4}) {
    const Threads use(count);
    std::vector<int> runs(100, 0);
    std::vector<int> intact(100, 0);
    parallel_tasks(100, 50, [&](int64_t task, real* scratch) {
      ++runs[static_cast<std::size_t>(task)];
      std::fill_n(scratch, 50, static_cast<real>(task));
      intact[static_cast<std::size_t>(task)] =
          std::all_of(scratch, scratch + 50, [=](real x) { return x == static_cast<real>(task); });
    });
    CHECK(runs == std::vector<int>(100, 1));
    CHECK(intact == std::vector<int>(100, 1));
  }
  parallel_tasks(0, 10, [](int64_t, real*) { FAIL_CHECK("there is no task"); });
}

TEST_CASE("Sums have the same bits with any number of threads", "[parallel]") {
  const Tensor x = random_tensor({1000003}, 1);
  const Tensor rows = random_tensor({5003, 37}, 2);
  const auto total = [&] {
    return parallel_sum(x.size(), 1000, [&](int64_t begin, int64_t end) {
      double sum = 0;
      for (int64_t i = begin; i < end; ++i) sum += x.data()[i];
      return sum;
    });
  };
  const auto columns = [&](bool add) {
    Tensor result = Tensor::full({37}, 100);
    sum_rows(5003, 37, add, result.mutable_data(), [&](int64_t begin, int64_t end, real* sums) {
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t c = 0; c < 37; ++c) sums[c] += rows.data()[r * 37 + c];
      }
    });
    return result;
  };
  const Threads one(1);
  const double alone = total();
  const Tensor set_alone = columns(false);
  const Tensor added_alone = columns(true);
  double exact = 0;
  for (const real v : x.values()) exact += v;
  CHECK(alone == Approx(exact).epsilon(1e-12));
  for (int64_t c = 0; c < 37; ++c) {
    double column = 0;
    for (int64_t r = 0; r < 5003; ++r) column += rows.data()[r * 37 + c];
    CHECK(set_alone.data()[c] == Approx(column).margin(2e-3));
    CHECK(added_alone.data()[c] == Approx(column + 100).margin(2e-3));
  }
  for (const int count : {2, 3, 4}) {
    const Threads use(count);
    CHECK(total() == alone);
    CHECK(same_bits(columns(false), set_alone));
    CHECK(same_bits(columns(true), added_alone));
  }
}

TEST_CASE("Denormals count as zero inside parallel loops and are restored afterwards", "[parallel]") {
  REQUIRE(denormal_times_one() != 0);
  {
    const FlushDenormals flush;
    CHECK(denormal_times_one() == 0);
    {
      const FlushDenormals nested;
      CHECK(denormal_times_one() == 0);
    }
    CHECK(denormal_times_one() == 0);
  }
  CHECK(denormal_times_one() != 0);
  for (const int count : {1, 2, 4}) {
    const Threads use(count);
    std::vector<float> seen(64, 1.0f);
    parallel_for(64, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) seen[static_cast<std::size_t>(i)] = denormal_times_one();
    });
    CHECK(seen == std::vector<float>(64, 0.0f));
    CHECK(denormal_times_one() != 0);
    std::vector<float> after(static_cast<std::size_t>(count), 0.0f);
#pragma omp parallel num_threads(count)
    after[static_cast<std::size_t>(omp_get_thread_num())] = denormal_times_one();
    for (const float value : after) CHECK(value != 0);
  }
}

TEST_CASE("A loop inside a parallel region runs on its own thread alone", "[parallel]") {
  std::vector<int> teams(8, 0);
#pragma omp parallel for num_threads(2)
  for (int i = 0; i < 8; ++i) {  // NOLINT: a range can not be an OpenMP loop in clang 14
    parallel_for(100, 1, [&](int64_t, int64_t) { ++teams[static_cast<std::size_t>(i)]; });
  }
  CHECK(teams == std::vector<int>(8, 1));
}

TEST_CASE("An impossible number of threads is an error", "[parallel][errors]") {
  CHECK(has_parts(error_of([] { set_threads(0); }), {"set_threads", "1 to 1024", "0"}));
  CHECK(has_parts(error_of([] { set_threads(5000); }), {"set_threads", "5000"}));
}

}  // namespace tape::test
