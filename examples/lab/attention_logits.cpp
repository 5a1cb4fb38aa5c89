#include <tape/examples/lab/attention_logits.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/probe.h>

namespace tape::inline TAPE_ABI::lab {

double largest_logit(const nn::GPT& model, const Ids& ids) {
  double most = 0;
  const Probe probe([&](const std::string& name, Pass, const Tensor& x) {
    if (!name.ends_with("hook_attn_scores_max")) return;
    for (const real score : x.values())
      most = std::isfinite(score) ? std::max<double>(most, score) : std::numeric_limits<double>::infinity();
  });
  model(ids, nn::evaluation());
  return most;
}

}  // namespace tape::inline TAPE_ABI::lab
