// Which statistic: the first of the two independent choices about normalisation. The other, where it sits, is in
// residual.h. Any statistic goes with any place.
//
//   LayerNorm   y = (x - mean(x))/√(var(x) + ε) ⊙ w + b      invariant to x → a·x + c
//   RMSNorm     y =       x      /√(mean(x²) + ε) ⊙ w        invariant to x → a·x only; equal to LayerNorm where
//   mean(x) = 0
//
// To add a norm: write its op (core/ops/), add a name to NormKind and NormName, and one line to Norm::operator().
#pragma once

#include <optional>
#include <string_view>

#include <tape/core/ops/norm.h>
#include <tape/nn/init.h>

namespace tape::inline TAPE_ABI::nn {

enum class NormKind { Layer, RMS };
/// "layer" or "rms". The second function throws Error for another name, listing these.
std::string_view name_of(NormKind kind);
NormKind norm_kind(std::string_view name);

/// A norm's kind and its settings. Converts from a kind, so that `.norm = NormKind::RMS` gives the usual settings.
struct NormConfig {
  NormKind kind;
  double eps = 1e-5;
  std::optional<bool> bias = {};

  NormConfig(NormKind kind_ = NormKind::Layer) : kind(kind_) {}  // NOLINT: converts silently on purpose
};

struct Norm {
  NormConfig config;
  Parameter weight;  ///< (C), starts at 1, not decayed
  Parameter bias;    ///< (C), starts at 0, not decayed; RMSNorm has none

  Norm(const NormConfig& config_, int64_t width)
      : config(config_),
        weight({width}, ones_init(), false),
        bias(config.bias.value_or(config.kind == NormKind::Layer) ? Parameter({width}, zeros_init(), false)
                                                                  : Parameter()) {}

  /// x (…, C) → (…, C).
  Tensor operator()(const Tensor& x, Where where = Where::here()) const {
    switch (config.kind) {
      case NormKind::Layer:
        return layer_norm(x, weight, bias, config.eps, where);
      case NormKind::RMS:
        return rms_norm(x, weight, bias, config.eps, where);
    }
    return x;
  }
  void visit(auto&& v) const {
    v("weight", weight);
    v("bias", bias);
  }
};

}  // namespace tape::inline TAPE_ABI::nn
