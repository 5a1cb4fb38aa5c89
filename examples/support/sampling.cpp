#include <tape/examples/support/sampling.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <tape/core/ops/shape_ops.h>

namespace tape::inline TAPE_ABI::tool {

void check(const SampleOptions& options) {
  if (options.tokens < 0) throw Error(str("tokens must be at least 0, it is ", options.tokens));
  if (options.top_k < 0) throw Error(str("top-k must be at least 0 (0: all), it is ", options.top_k));
  if (!(options.temperature >= 0 && std::isfinite(options.temperature)))
    throw Error(str("temperature must be a number of at least 0, it is ", options.temperature));
}

int32_t choose_token(std::span<const real> scores, const SampleOptions& options, double u) {
  if (!std::ranges::all_of(scores, [](real s) { return std::isfinite(s); }))
    throw Error("the model gives scores that are not finite numbers: its weights are damaged, or training diverged");
  std::vector<int32_t> best(scores.size());
  std::iota(best.begin(), best.end(), 0);
  std::ranges::stable_sort(best, std::ranges::greater{},
                           [&](int32_t t) { return scores[static_cast<std::size_t>(t)]; });
  if (options.temperature == 0) return best.front();
  if (options.top_k > 0) best.resize(std::min(best.size(), static_cast<std::size_t>(options.top_k)));

  const auto score = [&](int32_t t) { return static_cast<double>(scores[static_cast<std::size_t>(t)]); };
  std::vector<double> until;  // weights summed up to each candidate
  double sum = 0;
  for (const int32_t t : best) until.push_back(sum += std::exp((score(t) - score(best.front())) / options.temperature));
  const auto found = std::ranges::upper_bound(until, u * sum);
  return found == until.end() ? best.front() : best[static_cast<std::size_t>(found - until.begin())];
}

void generate(const nn::GPT& model, std::vector<int32_t> tokens, const SampleOptions& options,
              const std::function<void(int32_t token)>& emit) {
  check(options);
  if (tokens.empty()) throw Error("generate: needs at least one token to begin with");
  const auto context = static_cast<std::size_t>(model.config().context);
  const Draw draw = Random::named(options.seed, "sampling").next();
  for (int64_t i = 0; i < options.tokens; ++i) {
    const auto window = std::span<const int32_t>(tokens).last(std::min(context, tokens.size()));
    const Tensor features = model.features(Ids::from({1, std::ssize(window)}, window), nn::evaluation());
    const Tensor scores = model.head(slice(features, 1, std::ssize(window) - 1, std::ssize(window)));
    tokens.push_back(choose_token(scores.values(), options, draw.uniform(static_cast<uint64_t>(i))));
    emit(tokens.back());
  }
}

}  // namespace tape::inline TAPE_ABI::tool
