// Parallel loops whose result never depends on the number of threads.
//
// Work is cut into blocks whose borders follow from the problem's size alone; threads only share the blocks out. Loop
// bodies touch disjoint outputs, and reductions combine one partial result per block in the order of the blocks.
// Inside, denormal numbers count as zero (restored afterwards), so that vanishing values do not slow arithmetic down.
#pragma once

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include <tape/core/helper.h>
#include <tape/core/real.h>
#include <tape/core/storage.h>

namespace tape::inline TAPE_ABI {

/// Number of threads that loops may use: at first OMP_NUM_THREADS, or one per processor.
int threads();
/// Sets it, for the calling thread. Throws Error unless 1 ≤ count ≤ 1024.
void set_threads(int count);

/// Treats denormals as zero on this thread while it lives.
class FlushDenormals {
 public:
  FlushDenormals() noexcept;
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  uint64_t before_;
};

/// Keeps libraries that use OpenMP to the calling thread while it lives. Inside a parallel loop they keep to it anyway.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_ = 0;  // the thread's number of threads, if it was changed
};

/// Elements per block of an elementwise loop. A multiple of any vector's length: each block is vectorised alike.
constexpr int64_t elementwise_grain = 8192;

/// Calls body(begin, end) on ranges that cover 0…n. Every border is a multiple of `grain`; several neighbouring blocks
/// may come as one range. The body must not throw, and must give each index the same result however ranges are cut.
template <class Body>
void parallel_for(int64_t n, int64_t grain, Body&& body) {
  const int64_t blocks = (n + grain - 1) / grain;
  const auto compute = [&](int64_t first, int64_t count) {
    const auto team = static_cast<int>(std::min<int64_t>(count, omp_in_parallel() ? 1 : omp_get_max_threads()));
    if (team <= 1) {
      const FlushDenormals flush;
      if (count > 0) body(first * grain, std::min((first + count) * grain, n));
      return;
    }
#pragma omp parallel num_threads(team)
    {
      const FlushDenormals flush;
      const int64_t size = omp_get_num_threads();
      const int64_t me = omp_get_thread_num();
      const int64_t begin = (first + count * me / size) * grain;
      const int64_t end = std::min((first + count * (me + 1) / size) * grain, n);
      if (begin < end) body(begin, end);
    }
  };
  // In a shard: parts of it go to the other shard's threads, if that has ended. They may be more or fewer.
  const int64_t parts = std::min<int64_t>(blocks, 8);
  std::atomic<int64_t> next = 0;
  const auto share = [&](bool) {
    for (int64_t part = next++; part < parts; part = next++) {
      const int64_t first = blocks * part / parts;
      compute(first, blocks * (part + 1) / parts - first);
    }
  };
  if (parts < 2 || !Helper::share(share)) compute(0, blocks);
}

/// y[i] += x[i] for 0 ≤ i < n.
inline void add(real* y, const real* x, int64_t n) {
  parallel_for(n, elementwise_grain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] += x[i];
  });
}

/// Calls body(task, scratch) for each task 0…tasks-1, shared out as threads become free. `scratch` points to
/// scratch_size numbers that belong to the calling thread, not initialised. The body must not throw.
template <class Body>
void parallel_tasks(int64_t tasks, int64_t scratch_size, Body&& body) {
  std::atomic<int64_t> next = 0;
  const auto compute = [&](bool /*other*/) {
    if (next >= tasks) return;
    const auto team = static_cast<int>(std::min<int64_t>(tasks, omp_in_parallel() ? 1 : omp_get_max_threads()));
    const int64_t stride = (scratch_size + 63) / 64 * 64 + 64;  // threads never share a cache line
    const Storage memory = Storage::of<real>(stride * std::max(team, 1));
    const auto take = [&](int64_t thread) {
      const FlushDenormals flush;
      real* const scratch = memory.as<real>() + stride * thread;
      for (int64_t task = next++; task < tasks; task = next++) body(task, scratch);
    };
    if (team <= 1) {
      take(0);
      return;
    }
#pragma omp parallel num_threads(team)
    take(omp_get_thread_num());
  };
  if (tasks < 2 || !Helper::share(compute)) compute(false);
}

/// Sum over 0…n of what block_sum(begin, end) returns for each block of `grain`, added in order, in double.
template <class BlockSum>
double parallel_sum(int64_t n, int64_t grain, BlockSum&& block_sum) {
  const int64_t blocks = (n + grain - 1) / grain;
  const Storage partial = Storage::of<double>(blocks);
  double* sums = partial.as<double>();
  parallel_for(blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) sums[b] = block_sum(b * grain, std::min(n, (b + 1) * grain));
  });
  double total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += sums[b];
  return total;
}

/// Sums rows into columns: total[c] = Σ_r row r's contribution, for `columns` numbers. accumulate(begin, end, sums)
/// adds rows begin…end to `sums`, which starts as zero; begin is a multiple of 32. Blocks of rows are combined in order
/// into total, which is overwritten, or added to when `add` is set.
template <class Accumulate>
void sum_rows(int64_t rows, int64_t columns, bool add, real* total, Accumulate&& accumulate) {
  // At most 32 blocks of a multiple of 32 rows: enough for many threads, few enough to combine cheaply.
  const int64_t grain = std::max<int64_t>(1, (rows + 1023) / 1024) * 32;
  const int64_t blocks = (rows + grain - 1) / grain;
  const Storage partial = Storage::of<real>(blocks * columns);
  real* sums = partial.as<real>();
  parallel_for(blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      std::fill_n(sums + b * columns, columns, real{0});
      accumulate(b * grain, std::min(rows, (b + 1) * grain), sums + b * columns);
    }
  });
  parallel_for(columns, 1024, [&](int64_t begin, int64_t end) {
    if (!add) std::fill(total + begin, total + end, real{0});
    for (int64_t b = 0; b < blocks; ++b) {
      const real* block = sums + b * columns;
      for (int64_t c = begin; c < end; ++c) total[c] += block[c];
    }
  });
}

}  // namespace tape::inline TAPE_ABI
