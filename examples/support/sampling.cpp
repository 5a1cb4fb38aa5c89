#include <tape/examples/support/sampling.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <tape/core/ops/shape_ops.h>
#include <tape/examples/support/corpus.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

Ids one_row(std::span<const int32_t> tokens) {
  return Ids::from({1, std::ssize(tokens)}, tokens);
}

// (1, T, C) → (1, 1, C): the features of the last position.
Tensor last_position(const Tensor& features) {
  const int64_t length = features.shape()[1];
  return slice(features, 1, length - 1, length);
}

void require_fitting(int64_t length, int64_t context) {
  if (length < 1) throw Error("--prompt is empty: this model needs a text to work on");
  if (length > context)
    throw Error(str("--prompt has ", length, " characters, more than the model's context of ", context));
}

}  // namespace

void check(const SampleOptions& options) {
  if (options.tokens < 0) throw Error(str("tokens must be at least 0, it is ", options.tokens));
  if (options.top_k < 0) throw Error(str("top-k must be at least 0 (0: all), it is ", options.top_k));
  if (!(options.temperature >= 0 && std::isfinite(options.temperature)))
    throw Error(str("temperature must be a number of at least 0, it is ", options.temperature));
}

int32_t choose_token(std::span<const real> scores, const SampleOptions& options, double u) {
  return TokenChooser(options)(scores, u);
}

int32_t TokenChooser::operator()(std::span<const real> scores, double u) {
  if (!std::ranges::all_of(scores, [](real s) { return std::isfinite(s); }))
    throw Error("the model gives scores that are not finite numbers: its weights are damaged, or training diverged");
  if (options_.temperature == 0) return static_cast<int32_t>(std::ranges::max_element(scores) - scores.begin());
  best_.resize(scores.size());
  std::iota(best_.begin(), best_.end(), 0);
  const auto score = [&](int32_t t) { return static_cast<double>(scores[static_cast<std::size_t>(t)]); };
  const int64_t size = std::ssize(scores);
  const int64_t possible = options_.top_k > 0 ? std::min(size, options_.top_k) : size;
  const auto better = [&](int32_t a, int32_t b) { return score(a) > score(b) || (score(a) == score(b) && a < b); };
  if (possible < size) std::ranges::nth_element(best_, best_.begin() + possible, better);
  best_.resize(static_cast<std::size_t>(possible));
  std::ranges::sort(best_, better);

  until_.clear();
  double sum = 0;
  for (const int32_t t : best_)
    until_.push_back(sum += std::exp((score(t) - score(best_.front())) / options_.temperature));
  const auto found = std::ranges::upper_bound(until_, u * sum);
  return found == until_.end() ? best_.front() : best_[static_cast<std::size_t>(found - until_.begin())];
}

void generate(const nn::GPT& model, std::vector<int32_t> tokens, const SampleOptions& options,
              const std::function<void(int32_t token)>& emit) {
  check(options);
  if (tokens.empty()) throw Error("generate: needs at least one token to begin with");
  const int64_t context = model.config().context;
  const Draw draw = Random::named(options.seed, "sampling").next();
  TokenChooser choose(options);
  nn::KeyValueCache cache(std::min(context, std::ssize(tokens) + std::min(context, options.tokens)));
  tokens.reserve(tokens.size() + static_cast<std::size_t>(std::min(context, options.tokens)));
  for (int64_t i = 0; i < options.tokens; ++i) {
    // While the text fits the context, what was read is remembered. After that every token has another position in the
    // window, and the whole of it is read again.
    const bool fits = std::ssize(tokens) <= context;
    const int64_t unread = fits ? std::ssize(tokens) - cache.length() : context;
    const auto window = std::span<const int32_t>(tokens).last(static_cast<std::size_t>(unread));
    const nn::Context reading = fits ? nn::evaluation().remembering(cache) : nn::evaluation();
    const Tensor scores = model.head(last_position(model.features(one_row(window), reading)));
    if (!fits) tokens.erase(tokens.begin());  // never to be seen again
    tokens.push_back(choose(scores.values(), draw.uniform(static_cast<uint64_t>(i))));
    emit(tokens.back());
  }
}

std::vector<int32_t> fill_masks(const nn::Bert& model, std::vector<int32_t> tokens, const SampleOptions& options) {
  check(options);
  require_fitting(std::ssize(tokens), model.config().context);
  const int64_t vocab = model.config().vocab;
  const auto characters = static_cast<std::size_t>(vocab - 1);  // the last token is the mask
  const Draw draw = Random::named(options.seed, "sampling").next();
  for (uint64_t round = 0;; ++round) {
    const Tensor scores = model(one_row(tokens), nn::evaluation());
    std::span<const real> surest;
    std::size_t gap = tokens.size();
    double highest = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      if (tokens[t] != mask_token(vocab)) continue;
      const std::span<const real> row = scores.values().subspan(t * static_cast<std::size_t>(vocab), characters);
      const double best = static_cast<double>(*std::ranges::max_element(row));
      double sum = 0;
      for (const real score : row) sum += std::exp(static_cast<double>(score) - best);
      if (gap < tokens.size() && 1 / sum <= highest) continue;
      highest = 1 / sum;
      gap = t;
      surest = row;
    }
    if (gap == tokens.size()) return tokens;
    tokens[gap] = choose_token(surest, options, draw.uniform(round));
  }
}

void translate(const nn::EncoderDecoder& model, const std::vector<int32_t>& source, const SampleOptions& options,
               const std::function<void(int32_t token)>& emit) {
  check(options);
  const int64_t context = model.config().context;
  require_fitting(std::ssize(source), context);
  const int64_t vocab = model.config().vocab;
  const auto possible = static_cast<std::size_t>(vocab - 1);  // the last token, begin, is in no target
  const Draw draw = Random::named(options.seed, "sampling").next();
  const nn::Memory memory = model.encode(one_row(source), nn::evaluation());
  TokenChooser choose(options);
  nn::KeyValueCache cache(std::min(options.tokens, context));
  const nn::Context reading = nn::evaluation().remembering(cache);
  int32_t token = begin_token(vocab);
  for (int64_t i = 0; i < std::min(options.tokens, context); ++i) {
    const Tensor scores = model.head(model.decode(memory, one_row({&token, 1}), reading));
    token = choose(scores.values().first(possible), draw.uniform(static_cast<uint64_t>(i)));
    if (token == end_token(vocab)) return;
    emit(token);
  }
}

}  // namespace tape::inline TAPE_ABI::tool
