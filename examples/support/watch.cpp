#include <tape/examples/support/watch.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/parallel.h>
#include <tape/nn/module.h>
#include <tape/nn/norm.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// "encoder.blocks.3" of "encoder.blocks.3.attn.qkv.weight" or of a tap there; empty for what is in no layer.
std::string layer_of(const std::string& name) {
  const std::size_t blocks = name.find("blocks.");
  if (blocks == std::string::npos || (blocks > 0 && name[blocks - 1] != '.')) return "";
  return name.substr(0, name.find('.', blocks + 7));
}

// Where a parameter belongs: to a layer, to what comes before them, or behind.
std::string part_of(const std::string& name) {
  const std::string layer = layer_of(name);
  if (!layer.empty()) return layer;
  const bool before = name.find("embedding") != std::string::npos || name.find("relative_bias") != std::string::npos;
  return before ? "embedding" : "head";
}

// Finds what scales a row column by column, or head by head: norms by their type, other learned gains by their name.
template <class Found>
struct GainFinder {
  Found& found;

  void operator()(const std::string& name, const Parameter& parameter) const {
    const std::string last = name.substr(name.rfind('.') + 1);
    if (parameter && (last == "skip_gain" || last == "branch_gain" || last == "head_scale"))
      found(name, parameter.leaf(), 0);
  }
  void operator()(const std::string& name, const nn::Norm& norm) const {
    if (norm.weight) found(name, norm.weight.leaf(), norm.config.unit_offset ? 1 : 0);
    if (norm.alpha) found(name + ".alpha", norm.alpha.leaf(), 0);
  }
};

// Σ term(i) over 0…n, the same for any number of threads.
template <class Term>
double sum_of(int64_t n, const Term& term) {
  return parallel_sum(n, elementwise_grain, [&](int64_t begin, int64_t end) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += term(i);
    return sum;
  });
}

double square(real x) {
  return static_cast<double>(x) * static_cast<double>(x);
}

bool all_finite(const real* x, int64_t size) {
  return std::isfinite(sum_of(size, [x](int64_t i) { return square(x[i]); }));
}

// The largest score; -infinity, where a query sees no key, does not count.
double largest(double so_far, const Tensor& tops) {
  for (const real top : tops.values()) {
    if (std::isnan(top)) return std::numeric_limits<double>::infinity();
    so_far = std::fmax(so_far, static_cast<double>(top));
  }
  return so_far;
}

}  // namespace

void Watch::Sums::add(const real* x, int64_t size) {
  const double sum = sum_of(size, [x](int64_t i) { return square(x[i]); });
  all += static_cast<double>(size);
  if (std::isfinite(sum)) {
    squares += sum;
    finite += static_cast<double>(size);
    return;
  }
  for (int64_t i = 0; i < size; ++i) {
    if (!std::isfinite(x[i])) continue;
    squares += square(x[i]);
    finite += 1;
  }
}

double Watch::Sums::rms() const {
  return finite > 0 ? std::sqrt(squares / finite) : nan;
}

double Watch::Sums::non_finite() const {
  return all > 0 ? 1 - finite / all : 0;
}

Watch::Watch(const Model& model) {
  nn::for_each_parameter(model, [&](const std::string& name, const LeafPtr& leaf) {
    const std::string part = part_of(name);
    const auto at = std::ranges::find(empty_.parts, part);
    const auto number = static_cast<std::size_t>(at - empty_.parts.begin());
    if (at == empty_.parts.end()) {
      empty_.parts.push_back(part);
      parts_.emplace_back();
    }
    parts_[number].push_back(leaf);
    if (part == layer_of(name) && layer_.emplace(part, empty_.layers.size()).second) empty_.layers.push_back(part);
  });
  const auto gain = [this](std::string name, const LeafPtr& leaf, double offset) {
    empty_.gains.push_back(std::move(name));
    gains_.push_back({leaf, offset});
  };
  const GainFinder<decltype(gain)> finder{gain};
  model.visit(nn::MemberVisitor("", finder));
}

void Watch::begin(int64_t step, bool thorough) {
  const std::size_t layers = empty_.layers.size();
  const std::size_t parts = empty_.parts.size();
  record_ = empty_;
  record_.step = step;
  record_.gradient_norm.assign(parts, 0);
  record_.gradient_non_finite.assign(parts, 0);
  record_.update_ratio.assign(parts, nan);
  record_.max_logit.assign(layers, -std::numeric_limits<double>::infinity());
  const bool crosses =
      std::ranges::any_of(empty_.layers, [](const auto& name) { return name.starts_with("decoder."); });
  if (crosses) record_.max_cross_logit = record_.max_logit;
  stream_.assign(layers, {});
  numbers_.assign(layers, {});
  thorough_ = thorough;
  gains();
  if (!thorough_) return;
  for (const ParameterList& part : parts_) {
    for (const LeafPtr& leaf : part) {
      if (!all_finite(leaf->data(), leaf->size())) found("weight", leaf->name);
    }
  }
}

void Watch::gains() {
  for (const Gain& gain : gains_) {
    double squares = 0;
    double least = std::numeric_limits<double>::infinity();
    double most = -least;
    for (int64_t i = 0; i < gain.leaf->size(); ++i) {
      const double value = static_cast<double>(gain.leaf->data()[i]) + gain.offset;
      squares += value * value;
      least = std::fmin(least, value);
      most = std::fmax(most, value);
    }
    record_.gain_rms.push_back(std::sqrt(squares / static_cast<double>(gain.leaf->size())));
    record_.gain_min.push_back(least);
    record_.gain_max.push_back(most);
  }
}

Probe::Handler Watch::batch() {
  seen_.clear();
  return [this](const std::string& name, Pass pass, const Tensor& x) { see(name, pass, x); };
}

void Watch::found(const char* kind, const std::string& name) {
  if (!record_.first_non_finite) record_.first_non_finite = {kind, name};
}

void Watch::see(const std::string& name, Pass pass, const Tensor& x) {
  if (!seen_.emplace(name, pass).second) return;
  const bool scores = name.ends_with("hook_attn_scores_max");
  // Scores may be -infinity, where a query sees no key.
  if (thorough_ && !scores && !all_finite(x.data(), x.size()))
    found(pass == Pass::forward ? "activation" : "gradient", name);
  if (pass == Pass::backward) return;
  const auto layer = layer_.find(layer_of(name));
  if (layer == layer_.end()) return;
  if (scores && thorough_ && largest(0, x) == std::numeric_limits<double>::infinity()) found("activation", name);
  see_layer(layer->second, name.substr(layer->first.size() + 1), x);
}

void Watch::see_layer(std::size_t layer, const std::string& hook, const Tensor& x) {
  if (hook == "attn.hook_attn_scores_max") {
    record_.max_logit[layer] = largest(record_.max_logit[layer], x);
  } else if (hook == "cross.hook_attn_scores_max") {
    record_.max_cross_logit[layer] = largest(record_.max_cross_logit[layer], x);
  } else if (hook == "hook_resid_post") {
    stream_[layer].add(x.data(), x.size());
    numbers_[layer].add(x.data(), x.size());
  } else if (hook == "hook_attn_out" || hook == "hook_cross_out" || hook == "hook_mlp_out") {
    numbers_[layer].add(x.data(), x.size());
  }
}

void Watch::loss(double value) {
  if (thorough_ && !std::isfinite(value)) found("loss", "");
}

void Watch::gradients() {
  for (std::size_t layer = 0; layer < stream_.size(); ++layer) {
    record_.residual_rms.push_back(stream_[layer].rms());
    record_.non_finite.push_back(numbers_[layer].non_finite());
  }
  before_.assign(parts_.size(), {});
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    Sums sums;
    for (const LeafPtr& leaf : parts_[part]) {
      if (leaf->has_gradient) {
        const Sums earlier = sums;
        sums.add(leaf->gradient_data(), leaf->size());
        if (thorough_ && sums.all - earlier.all > sums.finite - earlier.finite) found("weight_gradient", leaf->name);
      }
      if (leaf->shape.rank() > 1) before_[part].push_back(Tensor::on(leaf->shape, leaf->value).copy());
    }
    record_.gradient_non_finite[part] = sums.non_finite();
    record_.gradient_norm[part] = sums.finite < sums.all ? nan : std::sqrt(sums.squares);
  }
}

void Watch::updated() {
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    double change = 0;
    double size = 0;
    auto matrix = before_[part].begin();
    for (const LeafPtr& leaf : parts_[part]) {
      if (leaf->shape.rank() < 2) continue;
      const real* before = matrix->data();
      change +=
          sum_of(leaf->size(), [before, after = leaf->data()](int64_t i) { return square(after[i] - before[i]); });
      size += sum_of(leaf->size(), [before](int64_t i) { return square(before[i]); });
      ++matrix;
    }
    record_.update_ratio[part] = std::sqrt(change / size);  // NaN without matrices
  }
  before_.clear();
}

}  // namespace tape::inline TAPE_ABI::tool
