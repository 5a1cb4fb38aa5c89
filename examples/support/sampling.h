// Sampling: text from a trained model, one token after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <tape/core/random.h>
#include <tape/nn/gpt.h>

namespace tape::inline TAPE_ABI::tool {

struct SampleOptions {
  int64_t tokens = 500;      ///< how many to add
  double temperature = 0.8;  ///< scores are divided by it; 0 always takes the best
  int64_t top_k = 0;         ///< only the k best are possible; 0: all
  Seed seed{1};
};

/// Throws Error that names the option for a value out of range.
void check(const SampleOptions& options);

/// One token drawn from softmax(scores/temperature) over the top_k best, with u uniform in [0, 1). Of equal scores the
/// smaller token is better. Throws Error when a score is not a finite number.
int32_t choose_token(std::span<const real> scores, const SampleOptions& options, double u);

/// Continues `tokens` (at least one) and calls emit for each new token. The model sees as much of the end as its
/// context holds. Token i depends on the model, the seed and the tokens before it alone.
void generate(const nn::GPT& model, std::vector<int32_t> tokens, const SampleOptions& options,
              const std::function<void(int32_t token)>& emit);

}  // namespace tape::inline TAPE_ABI::tool
