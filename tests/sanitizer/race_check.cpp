// Shows whether the thread sanitizer understands OpenMP. Without an argument every write is kept in order by OpenMP
// alone (the end of a region, dynamic shares of a loop), which the sanitizer only knows through the runtime; with an
// argument two threads add to one number, which is a race.
#include <omp.h>

#include <cstdio>
#include <vector>

int main(int argc, char**) {
  std::vector<long> values(10000, 1);
  const int count = static_cast<int>(values.size());
  long sum = 0;
  if (argc > 1) {
#pragma omp parallel for
    for (int i = 0; i < count; ++i) sum += values[static_cast<std::size_t>(i)];
  } else {
    std::vector<long> parts(static_cast<std::size_t>(omp_get_max_threads()), 0);
#pragma omp parallel
    {
      long& mine = parts[static_cast<std::size_t>(omp_get_thread_num())];
#pragma omp for schedule(dynamic, 100)
      for (int i = 0; i < count; ++i) mine += values[static_cast<std::size_t>(i)];
    }
    for (const long part : parts) sum += part;
#pragma omp parallel for
    for (int i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = sum;
    for (const long value : values) {
      if (value != count) return 1;
    }
  }
  std::printf("%ld\n", sum);
  return 0;
}
