#include <tape/nn/mixture.h>

#include <algorithm>

#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/embedding.h>
#include <tape/core/ops/reduce.h>
#include <tape/core/ops/routing.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/ops/softmax.h>
#include <tape/core/probe.h>
#include <tape/nn/module.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

MixtureConfig checked(const FeedForwardConfig& c) {
  check(c);
  if (c.mixture.experts == 0) throw Error("mixture: it needs at least one expert");
  return c.mixture;
}

// Who computes what: the choices (token, j), numbered token·per_token + j, sorted by expert and then by number.
struct Dispatch {
  std::vector<int64_t> loads;  // number of choices of each expert
  std::vector<Ids> tokens;     // of each expert, in order
  Ids places;                  // (tokens, per_token): where a choice stands in the sorted order

  Dispatch(const Ids& chosen, int64_t experts) : loads(static_cast<std::size_t>(experts)), places(chosen.shape()) {
    const int64_t per_token = chosen.shape().last();
    for (const int32_t expert : chosen.values()) ++loads[static_cast<std::size_t>(expert)];
    std::vector<int32_t> next(loads.size());  // place of the expert's next choice
    int64_t first = 0;
    for (std::size_t e = 0; e < loads.size(); ++e) {
      next[e] = static_cast<int32_t>(first);
      first += loads[e];
      tokens.emplace_back(Shape{loads[e]});
    }
    std::vector<int32_t*> token_of(loads.size());
    std::ranges::transform(tokens, token_of.begin(), [](Ids& ids) { return ids.mutable_data(); });
    for (int64_t choice = 0; choice < chosen.size(); ++choice) {
      const auto e = static_cast<std::size_t>(chosen.data()[choice]);
      places.mutable_data()[choice] = next[e]++;
      *token_of[e]++ = static_cast<int32_t>(choice / per_token);
    }
  }
};

// All rows of the parts, one part below the other: groups of eight, then groups of these.
Tensor stacked(std::vector<Tensor> parts, Where where) {
  constexpr std::size_t group = 8;
  while (parts.size() > 1) {
    std::vector<Tensor> joined;
    for (std::size_t i = 0; i < parts.size(); i += group) {
      joined.push_back(concatenate(std::span(parts).subspan(i, std::min(group, parts.size() - i)), 0, where));
    }
    parts = std::move(joined);
  }
  return parts[0];
}

}  // namespace

Mixture::Mixture(const FeedForwardConfig& c, const WeightInit& init)
    : config(checked(c)), name(c.name), router(c.width, config.experts, false, init.with_gain(1)) {
  router.weight->keep_f32 = true;
  experts.reserve(static_cast<std::size_t>(config.experts));
  FeedForwardConfig expert = c;
  for (int64_t e = 0; e < config.experts; ++e) {
    expert.name = str(name, ".experts.", e);
    experts.emplace_back(expert, init);
    for (const LeafPtr& leaf : parameters(experts.back())) leaf->routed = true;
  }
}

Tensor Mixture::operator()(const Tensor& x, const Context& context, Where where) const {
  const Tensor scores = router(x, where);
  const Ids chosen = top_k(scores, config.per_token, where);
  const Tensor weights = softmax(gather_last(scores, chosen, where), where);
  const Dispatch dispatch(chosen, config.experts);

  const bool balances = config.balance > 0 && context.collects();
  if (balances || Probe::current()) {
    const Tensor probabilities = tap(name, "hook_router", softmax(scores, where), where);
    if (balances) context.collect(balance_loss(probabilities, dispatch.loads, where), where);
  }

  std::vector<Tensor> results;
  for (std::size_t e = 0; e < experts.size(); ++e) {
    if (dispatch.loads[e] == 0 && x.rows() > 0) continue;
    results.push_back(experts[e](gather_rows(x, dispatch.tokens[e], where), where));
  }
  return combine_rows(stacked(std::move(results), where), dispatch.places, weights, where);
}

// balance·E·Σ_e f_e·P_e as a mean over tokens of Σ_e f_e·p_e      p (…, E)   f (1, E)
Tensor Mixture::balance_loss(const Tensor& probabilities, const std::vector<int64_t>& loads, Where where) const {
  const auto choices = static_cast<real>(probabilities.rows() * config.per_token);
  Tensor shares = Tensor::uninitialized({1, config.experts});
  std::ranges::transform(loads, shares.mutable_data(), [=](int64_t load) { return static_cast<real>(load) / choices; });
  const double factor = config.balance * static_cast<double>(config.experts);
  return scale(mean(linear(probabilities, shares, {}, where), where), factor, where);
}

}  // namespace tape::inline TAPE_ABI::nn
