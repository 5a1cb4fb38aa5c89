// Which statistic: the first of the two independent choices about normalisation. The other, where it sits, is in
// scheme.h. Any statistic goes with any place, but for what check(ModelConfig) refuses with a reason.
//
//   LayerNorm   y = (x - mean(x))/√(var(x) + ε) ⊙ w + b    invariant to x → a·x + c
//   RMSNorm     y =       x      /√(mean(x²) + ε) ⊙ w      invariant to x → a·x only; equal to LayerNorm where
//                                                          mean(x) = 0
//   ScaleNorm   y =     g·x      /max(‖x‖, ε)              the same with one gain g for all columns, which starts at √C
//   DyT         y = tanh(α·x) ⊙ w + b                      invariant to nothing: no statistic, each number by itself
//   Derf        y = erf(α·x + s) ⊙ w + b                   the same
//
// To add a norm:
//   core/ops/           the op, forward and backward, its contract in a header
//   nn/norm.h           a name in NormKind, a case in Norm::operator(), a line above
//   nn/norm.cpp         its row in the table, its parameters in Norm's constructor, in check() what it has no use for
//   tests/              a row in support/op_table.cpp, a twin in norm_twins_test.cpp, a case in golden/norms.py
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include <tape/core/ops/norm.h>
#include <tape/core/ops/pointwise_norm.h>
#include <tape/nn/init.h>

namespace tape::inline TAPE_ABI::nn {

enum class NormKind { Layer, RMS, Scale, DyT, Derf };
/// One row of the table of norms.
struct NormInfo {
  NormKind kind;
  std::string_view name;       ///< on the command line
  std::string_view title;      ///< as papers write it
  std::string_view formula;    ///< of one row x of C numbers, with the usual settings
  std::string_view invariant;  ///< what of x does not change the result
  std::string_view source;
};
std::span<const NormInfo> norm_table();

/// "layer", "rms", "scale", "dyt" or "derf". The second function throws Error for another name, listing these.
std::string_view name_of(NormKind kind);
NormKind norm_kind(std::string_view name);
/// True for LayerNorm, RMSNorm and ScaleNorm, whose output does not change with the scale of their input.
bool is_scale_invariant(NormKind kind);

/// "inside" or "outside".
std::string_view name_of(EpsPlace place);
EpsPlace eps_place(std::string_view name);

/// A norm's kind and its settings. Converts from a kind, so that `.norm = NormKind::RMS` gives the usual settings.
struct NormConfig {
  NormKind kind;
  double eps = 1e-5;                      ///< not used by dyt and derf
  EpsPlace eps_place = EpsPlace::inside;  ///< layer and rms
  bool gain = true;                       ///< a learned gain for each column; ScaleNorm always has its own
  std::optional<bool> bias = {};          ///< by default layer, dyt and derf have one, rms and scale none
  bool unit_offset = false;               ///< layer and rms: the gain is 1 + weight, as in Gemma
  double partial = 1;                     ///< rms: share of the columns that the statistic is taken from (pRMSNorm)
  double alpha = 0.5;                     ///< dyt and derf: first value of α

  NormConfig(NormKind kind_ = NormKind::Layer) : kind(kind_) {}  // NOLINT: converts silently on purpose
};

/// Throws Error naming the field for a value out of range, and for a setting that this kind has no use for.
void check(const NormConfig& config);

struct Norm {
  NormConfig config;
  Parameter weight;  ///< (C), starts at 1, or with a unit offset at 0; ScaleNorm's gain (1). Nothing here is decayed
  Parameter bias;    ///< (C), starts at 0
  Parameter alpha;   ///< (1), dyt and derf
  Parameter shift;   ///< (1), starts at 0, derf

  /// Throws Error where check() does, and for a width below 1.
  Norm(const NormConfig& config, int64_t width);

  /// x (…, C) → (…, C). A norm of each head takes x (B, T, H·D) as reshape(x, {B, T, H, D}), which copies nothing.
  Tensor operator()(const Tensor& x, Where where = Where::here()) const {
    const NormOptions options{config.eps, config.eps_place, config.unit_offset, config.partial};
    switch (config.kind) {
      case NormKind::Layer:
        return layer_norm(x, weight, bias, options, where);
      case NormKind::RMS:
        return rms_norm(x, weight, bias, options, where);
      case NormKind::Scale:
        return scale_norm(x, weight, config.eps, where);
      case NormKind::DyT:
        return dyt(x, alpha, weight, bias, where);
      case NormKind::Derf:
        return derf(x, alpha, shift, weight, bias, where);
    }
    return x;
  }
  void visit(auto&& v) const {
    v("weight", weight);
    v("bias", bias);
    v("alpha", alpha);
    v("shift", shift);
  }
};

}  // namespace tape::inline TAPE_ABI::nn
