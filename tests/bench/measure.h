// Measuring: repeated runs of a piece of work, and what the process has used.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

inline double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Milliseconds of one run.
template <class Work>
double time_of(const Work& work) {
  const double before = now_ms();
  work();
  return now_ms() - before;
}

/// Milliseconds of repeated runs.
struct Times {
  double median = 0;
  double min = 0;
  double p90 = 0;
  int64_t runs = 0;
};
inline Times summary(std::vector<double> ms) {
  std::ranges::sort(ms);
  const auto at = [&](double share) {
    return ms[static_cast<std::size_t>(share * static_cast<double>(ms.size() - 1) + 0.5)];
  };
  return {at(0.5), ms.front(), at(0.9), static_cast<int64_t>(ms.size())};
}

/// Runs `work` twice to warm up, then for about `seconds`, five times at least.
template <class Work>
Times measure(double seconds, const Work& work) {
  work();
  work();
  std::vector<double> ms;
  const double start = now_ms();
  while (ms.size() < 5 || now_ms() - start < 1000 * seconds) ms.push_back(time_of(work));
  return summary(std::move(ms));
}

/// Most memory that the process has had so far, in MiB.
double peak_memory();
/// What the measurements were made on: processor, threads, compiler, BLAS, and oneDNN, if the build has it.
struct Machine {
  const char* compiler;
  std::string processor;
  std::string blas;
  std::string onednn;
  int threads;
};
Machine machine();

}  // namespace bench
