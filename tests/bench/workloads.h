// The models that speed is measured on: full training steps of a causal language model with Pre-LN, LayerNorm with
// bias, GELU, a tied head and no dropout.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tape/nn/model_config.h>

namespace bench {

struct Workload {
  std::string name;   ///< "W1" … "W4"
  std::string title;  ///< what it stands for
  tape::nn::ModelConfig model;
  int64_t batch = 0;

  int64_t tokens() const { return batch * model.context; }
};

/// W1 character GPT, W2 baby GPT, W3 GPT-2 124M with short batches, W4 deep and narrow.
const std::vector<Workload>& workloads();
/// Throws tape::Error for another name, listing these.
const Workload& workload(std::string_view name);

/// One linear layer, in → out, and how many of them a model has.
struct LinearLayer {
  const char* name;
  int64_t in, out, count;
};
/// Those of a workload: of its blocks, and the head.
std::vector<LinearLayer> linear_layers(const Workload& workload);

/// Floating-point operations of all matrix products of one training step: of the linear layers and the head three
/// products of 2·rows·in·out, and of attention six of T·(T+1)/2·head size each, twice.
double gemm_flops(const Workload& workload);

}  // namespace bench
