// One residual step: what a scheme's plan (scheme.h) says, carried out around a branch f, which maps a tensor (B, T, C)
// to one of the same shape. Each block has such a step for attention and one for feed-forward.
#pragma once

#include <concepts>
#include <optional>
#include <string>

#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/gain.h>
#include <tape/nn/norm.h>
#include <tape/nn/scheme.h>

namespace tape::inline TAPE_ABI::nn {

/// What flows through a stack of blocks: the residual stream x (B, T, C), and for ResiDual the sum of the embedding and
/// of all branches, without any norm.
struct Stream {
  Tensor x;
  Tensor sum = {};
};

class Residual {
 public:
  /// The norms and learned gains that the slots ask for, for a stream of this width. What a norm gives is tapped as
  /// "hook_normalized" under `name` for norm_input, as TransformerLens calls it, and under name_stream, name_post (of
  /// norm_output) and name_sum for the others.
  Residual(const Slots& slots, const NormConfig& norm, int64_t width, std::string name = "ln");

  /// The step around f(x). A branch that also takes f(x, residual) adds the residual itself, in one op with its last
  /// product, where the scheme changes neither and no probe looks at what is added.
  template <class Branch>
  Stream operator()(const Stream& in, const Branch& f, Where where = Where::here()) const {
    const Tensor x = normed(norm_stream, "_stream", in.x, where);
    if constexpr (std::invocable<const Branch&, const Tensor&, const Tensor&>) {
      if (adds_only() && !in.sum) return {normed(norm_sum, "_sum", f(input(x, where), x), where)};
    }
    const Tensor z = output(f(input(x, where)), where);
    return {sum(x, z, where), in.sum ? add(in.sum, z, where) : in.sum};
  }

  void visit(auto&& v) const {
    v("norm_stream", norm_stream);
    v("norm_input", norm_input);
    v("norm_output", norm_output);
    v("norm_sum", norm_sum);
    v("skip_gain", skip_gain);
    v("branch_gain", branch_gain);
  }

  Slots slots;
  std::string name;  ///< prefix of its taps, such as "blocks.0.ln1"
  std::optional<Norm> norm_stream, norm_input, norm_output, norm_sum;
  Parameter skip_gain, branch_gain;  ///< (C), or (1) for one factor; not decayed

 private:
  // True when the step does nothing between branch, stream and their sum.
  bool adds_only() const;
  // The norm of x, tapped, where there is one.
  Tensor normed(const std::optional<Norm>& norm, const char* suffix, const Tensor& x, Where where) const;
  Tensor input(const Tensor& x, Where where) const;                 // what the branch sees
  Tensor output(const Tensor& z, Where where) const;                // what it adds
  Tensor sum(const Tensor& x, const Tensor& z, Where where) const;  // the new stream
};

}  // namespace tape::inline TAPE_ABI::nn
