// Sampling: text from a trained model, one token after the other; gaps filled in; targets for sources.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <tape/core/random.h>
#include <tape/nn/bert.h>
#include <tape/nn/encoder_decoder.h>
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

/// The same for many tokens: keeps the memory that it takes for the first.
class TokenChooser {
 public:
  explicit TokenChooser(const SampleOptions& options) : options_(options) {}
  int32_t operator()(std::span<const real> scores, double u);

 private:
  SampleOptions options_;
  std::vector<int32_t> best_;  // tokens that are possible, the best first
  std::vector<double> until_;  // their weights, summed up to each
};

/// Continues `tokens` (at least one) and calls emit for each new token. The model sees as much of the end as its
/// context holds. Token i depends on the model, the seed and the tokens before it alone.
void generate(const nn::GPT& model, std::vector<int32_t> tokens, const SampleOptions& options,
              const std::function<void(int32_t token)>& emit);

/// Fills in what stands at mask_token(vocab): in each round the gap about which the model is most certain, given the
/// text with what was filled in before. Only characters are chosen. Throws Error for tokens that exceed the context.
std::vector<int32_t> fill_masks(const nn::Bert& model, std::vector<int32_t> tokens, const SampleOptions& options);

/// Writes the target of a source and calls emit for each token, up to the end token, which is left out, or until
/// options.tokens or the context is used up. Throws Error for a source that is empty or exceeds the context.
void translate(const nn::EncoderDecoder& model, const std::vector<int32_t>& source, const SampleOptions& options,
               const std::function<void(int32_t token)>& emit);

}  // namespace tape::inline TAPE_ABI::tool
