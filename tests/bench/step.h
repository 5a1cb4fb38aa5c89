// One training step of a workload, as a library user writes it.
#pragma once

#include <tape/core/shards.h>
#include <tape/core/tape.h>
#include <tape/nn/gpt.h>
#include <tape/optim/adam.h>

#include "workloads.h"

namespace bench {

class Step {
 public:
  /// Throws tape::Error when products can not be computed in this precision here.
  explicit Step(const Workload& workload, tape::Precision precision = tape::Precision::f32);

  /// Forward, loss, backward, AdamW; in shards where they pay. Returns the loss. Keeps the profile of its ops when
  /// asked to.
  double operator()(bool keep_profile = false);

  /// Times of the last profiled step: by kind of op, and of the update. In shards, which run at the same time, an op's
  /// is the mean of both.
  const std::vector<tape::OpProfile>& profile() const { return profile_; }
  double update_ms() const { return update_ms_; }
  bool in_shards() const { return in_shards_; }
  /// Bytes of the parameters' values.
  double parameter_bytes() const;

 private:
  // Forward and backward of sequences begin … end - 1.
  double compute(int64_t begin, int64_t end, int64_t dropout_step, std::vector<tape::OpProfile>* profile);

  tape::nn::GPT gpt_;
  tape::optim::AdamW adamw_;
  tape::Ids input_, target_;
  tape::Shards shards_;
  bool in_shards_;
  int64_t step_ = 0;
  std::vector<tape::OpProfile> profile_;
  double update_ms_ = 0;
};

}  // namespace bench
