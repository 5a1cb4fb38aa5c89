#include "workloads.h"

#include <tape/core/error.h>

namespace bench {

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all{
      {"W1", "character GPT", {.vocab = 65, .context = 64, .layers = 4, .heads = 4, .width = 128}, 12},
      {"W2", "baby GPT", {.vocab = 65, .context = 256, .layers = 6, .heads = 6, .width = 384}, 8},
      {"W3", "GPT-2 124M", {.vocab = 50257, .context = 64, .layers = 12, .heads = 12, .width = 768}, 4},
      {"W4", "deep and narrow", {.vocab = 65, .context = 64, .layers = 100, .heads = 2, .width = 64}, 8},
  };
  return all;
}

const Workload& workload(std::string_view name) {
  std::string known;
  for (const Workload& w : workloads()) {
    if (w.name == name) return w;
    known += tape::str(known.empty() ? "" : ", ", w.name);
  }
  throw tape::Error(tape::str("unknown workload \"", name, "\": choose one of ", known));
}

std::vector<LinearLayer> linear_layers(const Workload& w) {
  const int64_t c = w.model.width;
  const int64_t layers = w.model.layers;
  return {{"qkv", c, 3 * c, layers},
          {"out", c, c, layers},
          {"up", c, 4 * c, layers},
          {"down", 4 * c, c, layers},
          {"head", c, w.model.vocab, 1}};
}

double gemm_flops(const Workload& w) {
  const auto c = static_cast<double>(w.model.width);
  const auto t = static_cast<double>(w.model.context);
  double of_linear = 0;
  for (const LinearLayer& layer : linear_layers(w))
    of_linear += 3 * 2 * static_cast<double>(w.tokens() * layer.in) * static_cast<double>(layer.out * layer.count);
  const double of_attention = 6 * 2 * static_cast<double>(w.batch * w.model.layers) * t * (t + 1) / 2 * c;
  return of_linear + of_attention;
}

}  // namespace bench
