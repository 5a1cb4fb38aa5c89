// One training step of a workload, as a library user writes it.
#pragma once

#include <tape/core/tape.h>
#include <tape/nn/gpt.h>
#include <tape/optim/adam.h>

#include "workloads.h"

namespace bench {

class Step {
 public:
  /// Throws tape::Error when products can not be computed in this precision here.
  explicit Step(const Workload& workload, tape::Precision precision = tape::Precision::f32);

  /// Forward, loss, backward, AdamW. Returns the loss. Keeps the profile of its ops when asked to.
  double operator()(bool keep_profile = false);

  /// Times of the last profiled step: by kind of op, and of the update.
  const std::vector<tape::OpProfile>& profile() const { return profile_; }
  double update_ms() const { return update_ms_; }
  /// Bytes of the parameters' values.
  double parameter_bytes() const;

 private:
  tape::nn::GPT gpt_;
  tape::optim::AdamW adamw_;
  tape::Ids input_, target_;
  int64_t step_ = 0;
  std::vector<tape::OpProfile> profile_;
  double update_ms_ = 0;
};

}  // namespace bench
