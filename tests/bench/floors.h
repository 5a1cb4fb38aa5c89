// Floors: what no implementation on this machine gets below, measured in the same process as what is compared with
// them.
#pragma once

#include <tape/core/tensor.h>

#include "workloads.h"

namespace bench {

/// Milliseconds of all matrix products of a step alone, on matrices of their shapes, with this library's own GEMM over
/// all threads; attention's, which are small, as single-threaded calls of the causal half, shared out. With
/// `in_shards` weights are packed already where shards pack them.
double gemm_floor(const Workload& workload, tape::Precision precision, bool in_shards, double seconds);

/// Copies arrays of `megabytes` MiB with all threads (STREAM copy).
class Copy {
 public:
  explicit Copy(double megabytes);
  void run();
  /// GB/s, bytes read and written, of a copy that took so many milliseconds.
  double bandwidth(double ms) const;

 private:
  tape::Tensor from_, to_;
};

/// Median GB/s of copies for `seconds`.
double copy_bandwidth(double megabytes, double seconds);

}  // namespace bench
