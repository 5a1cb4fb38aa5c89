#include <tape/examples/lab/attention_logits.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/probe.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

// Columns of one head's queries or keys in x (B, T, C).
struct Heads {
  Tensor x;
  int64_t first = 0;
  int64_t size = 0;

  const real* at(int64_t batch, int64_t position, int64_t head) const {
    return x.data() + (batch * x.shape()[1] + position) * x.last() + first + head * size;
  }
};

double largest(const Heads& queries, const Heads& keys, int64_t heads) {
  double most = 0;
  for (int64_t b = 0; b < queries.x.shape()[0]; ++b) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t t = 0; t < queries.x.shape()[1]; ++t) {
        for (int64_t s = 0; s <= t; ++s) {
          double sum = 0;
          for (int64_t i = 0; i < queries.size; ++i)
            sum += static_cast<double>(queries.at(b, t, h)[i]) * static_cast<double>(keys.at(b, s, h)[i]);
          if (!std::isfinite(sum)) return std::numeric_limits<double>::infinity();
          most = std::max(most, std::fabs(sum));
        }
      }
    }
  }
  return most / std::sqrt(static_cast<double>(queries.size));
}

}  // namespace

double largest_logit(const nn::GPT& model, const Ids& ids) {
  const int64_t heads = model.config().heads;
  const int64_t width = model.config().width;
  const int64_t size = width / heads;
  double most = 0;
  Tensor queries;
  const Probe probe([&](const std::string& name, Pass pass, const Tensor& x) {
    if (pass != Pass::forward) return;
    if (name.ends_with("attn.hook_qkv")) most = std::max(most, largest({x, 0, size}, {x, width, size}, heads));
    if (name.ends_with("attn.hook_q")) queries = x;
    if (name.ends_with("attn.hook_k")) most = std::max(most, largest({queries, 0, size}, {x, 0, size}, heads));
  });
  model(ids, nn::evaluation());
  return most;
}

}  // namespace tape::inline TAPE_ABI::lab
