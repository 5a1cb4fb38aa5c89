#include <tape/examples/inspect/observation.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>

#include <tape/core/ops/loss.h>
#include <tape/core/ops/routing.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/probe.h>
#include <tape/nn/attention_weights.h>

namespace tape::inline TAPE_ABI::inspect {

namespace {

std::span<const real> row_of(const Tensor& x, int64_t row) {
  return x.values().subspan(static_cast<std::size_t>(row * x.last()), static_cast<std::size_t>(x.last()));
}

double rms(std::span<const real> row) {
  double squares = 0;
  for (const real x : row) squares += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(squares / static_cast<double>(row.size()));
}

double largest(std::span<const real> row) {
  double most = 0;
  for (const real x : row) most = std::max(most, std::fabs(static_cast<double>(x)));
  return most;
}

double share_above_zero(std::span<const real> row) {
  return static_cast<double>(std::ranges::count_if(row, [](real x) { return x > 0; })) /
         static_cast<double>(row.size());
}

Outlier outlier_of(const std::string& place, const Tensor& stream) {
  Outlier result{.place = place};
  std::vector<double> means(static_cast<std::size_t>(stream.last()));
  for (int64_t t = 0; t < stream.rows(); ++t) {
    const std::span<const real> row = row_of(stream, t);
    const double size = rms(row);
    if (!(size > 0)) continue;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const double ratio = std::fabs(static_cast<double>(row[c])) / size;
      means[c] += ratio / static_cast<double>(stream.rows());
      result.largest = std::max(result.largest, ratio);
    }
  }
  const auto most = std::ranges::max_element(means);
  result.dimension = most - means.begin();
  result.mean = *most;
  return result;
}

// Sorts what taps of one stack show.
class Watcher {
 public:
  Watcher(std::string prefix, const nn::ModelConfig& config, StackView& view)
      : prefix_(std::move(prefix)), config_(config), view_(view) {}

  void see(std::string_view name, const Tensor& x) {
    if (!name.starts_with(prefix_)) return;
    name.remove_prefix(prefix_.size());
    if (name.ends_with(".hook_normalized")) return norm(name, x);
    if (!name.starts_with("blocks.")) return;
    name.remove_prefix(7);
    int64_t layer = 0;
    const auto number = std::from_chars(name.data(), name.data() + name.size(), layer);
    name.remove_prefix(static_cast<std::size_t>(number.ptr - name.data()) + 1);
    block(layer, name, x);
  }

 private:
  void block(int64_t layer, std::string_view name, const Tensor& x) {
    const std::string place = std::to_string(layer);
    if (name == "hook_resid_pre" && layer == 0) stream("embedding", x);
    if (name == "hook_resid_post") stream(place, x);
    if (name == "attn.hook_pattern") view_.self.push_back(attention(layer, x));
    if (name == "cross.hook_pattern") view_.cross.push_back(attention(layer, x));
    if (name == "mlp.hook_router") choose(x);
    if (!name.starts_with("mlp.")) return;
    if (name.ends_with("hook_pre")) hidden(view_.active, place, name, x, share_above_zero);
    if (name.ends_with("hook_post")) hidden(view_.peak, place, name, x, largest);
  }

  void stream(const std::string& place, const Tensor& x) {
    add(view_.stream, place, x, rms);
    view_.outliers.push_back(outlier_of(place, x));
  }

  // "blocks.3.ln1.hook_normalized" → "3 ln1".
  void norm(std::string_view name, const Tensor& x) {
    std::string place(name.substr(0, name.rfind('.')));
    if (place.starts_with("blocks.")) {
      place = place.substr(7);
      std::ranges::replace(place, '.', ' ');
    }
    add(view_.norms, place, x, rms);
  }

  static AttentionView attention(int64_t layer, const Tensor& pattern) {
    const Tensor one = reshape(pattern, {pattern.shape()[1], pattern.shape()[2], pattern.shape()[3]});
    return {layer, one, nn::row_entropy(one)};
  }

  template <class Measure>
  static void add(TokenTable& table, const std::string& place, const Tensor& x, const Measure& measure) {
    table.places.push_back(place);
    table.values.emplace_back();
    for (int64_t t = 0; t < x.rows(); ++t) table.values.back().push_back(measure(row_of(x, t)));
  }

  // Which tokens each expert of the next mixture reads, in order.
  void choose(const Tensor& probabilities) {
    readers_.assign(static_cast<std::size_t>(config_.mixture.experts), {});
    const Ids chosen = top_k(probabilities, config_.mixture.per_token);
    for (int64_t i = 0; i < chosen.size(); ++i)
      readers_[static_cast<std::size_t>(chosen.data()[i])].push_back(i / config_.mixture.per_token);
  }

  // One network reads all tokens; of a mixture a token has the mean share and the largest peak of its experts.
  template <class Measure>
  void hidden(TokenTable& table, const std::string& place, std::string_view name, const Tensor& x,
              const Measure& measure) {
    if (!name.starts_with("mlp.experts.")) return add(table, place, x, measure);
    if (table.places.empty() || table.places.back() != place) {
      table.places.push_back(place);
      table.values.emplace_back(view_.tokens.size(), 0.0);
    }
    std::size_t expert = 0;
    name.remove_prefix(12);
    std::from_chars(name.data(), name.data() + name.size(), expert);
    const std::vector<int64_t>& readers = readers_.at(expert);
    for (int64_t r = 0; r < std::min(x.rows(), std::ssize(readers)); ++r) {
      double& value = table.values.back()[static_cast<std::size_t>(readers[static_cast<std::size_t>(r)])];
      const double measured = measure(row_of(x, r));
      value = &table == &view_.active ? value + measured / static_cast<double>(config_.mixture.per_token)
                                      : std::max(value, measured);
    }
  }

  std::string prefix_;
  const nn::ModelConfig& config_;
  StackView& view_;
  std::vector<std::vector<int64_t>> readers_;
};

Prediction prediction_of(std::span<const real> scores, int32_t target, const tool::SavedRun& run) {
  constexpr std::size_t shown = 3;
  std::vector<double> p;
  const auto best = static_cast<double>(*std::ranges::max_element(scores));
  for (const real s : scores) p.push_back(std::exp(static_cast<double>(s) - best));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  if (!std::isfinite(sum))
    throw Error("the model gives scores that are not finite numbers: its weights are damaged, or training diverged");
  std::vector<int32_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  const auto probability = [&](int32_t token) { return p[static_cast<std::size_t>(token)] / sum; };
  std::ranges::stable_sort(order, std::ranges::greater{}, probability);
  Prediction result{"", std::numeric_limits<double>::quiet_NaN(), {}};
  for (std::size_t i = 0; i < std::min(shown, order.size()); ++i)
    result.candidates.push_back({token_sign(order[i], run), probability(order[i])});
  if (target == CrossEntropyOptions{}.ignore_index) return result;
  result.expected = token_sign(target, run);
  result.loss = std::log(sum) + best - static_cast<double>(scores[static_cast<std::size_t>(target)]);
  return result;
}

}  // namespace

Observation observe(const tool::SavedRun& run, const tool::Model& model, const Input& input) {
  const nn::ModelConfig& config = run.config.model;
  Observation seen;
  std::vector<Watcher> watchers;
  if (tool::learns_pairs(run.config.architecture)) {
    seen.stacks.push_back({.kind = StackView::Kind::encoder, .tokens = input.source});
    seen.stacks.push_back({.kind = StackView::Kind::decoder, .tokens = input.tokens, .memory = input.source});
    watchers.emplace_back("encoder.", config, seen.stacks[0]);
    watchers.emplace_back("decoder.", config, seen.stacks[1]);
  } else {
    seen.stacks.push_back({.kind = StackView::Kind::only, .tokens = input.tokens});
    watchers.emplace_back("", config, seen.stacks[0]);
  }
  const Probe probe(
      [&](const std::string& name, Pass, const Tensor& x) {
        for (Watcher& watcher : watchers) watcher.see(name, x);
      },
      {.asked = {"hook_pattern"}});
  const Tensor scores = model(input.batch, nn::evaluation());
  for (int64_t t = 0; t < scores.rows(); ++t)
    seen.predictions.push_back(prediction_of(row_of(scores, t), input.batch.target.data()[t], run));
  return seen;
}

}  // namespace tape::inline TAPE_ABI::inspect
