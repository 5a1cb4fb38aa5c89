// One residual step: what a scheme's plan (scheme.h) says, carried out around a branch f, which maps a tensor (B, T, C)
// to one of the same shape. Each block has such a step for attention and one for feed-forward.
#pragma once

#include <optional>

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
  /// The norms and learned gains that the slots ask for, for a stream of this width.
  Residual(const Slots& slots, const NormConfig& norm, int64_t width);

  template <class Branch>
  Stream operator()(const Stream& in, const Branch& f, Where where = Where::here()) const {
    const Tensor x = norm_stream ? (*norm_stream)(in.x, where) : in.x;
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
  std::optional<Norm> norm_stream, norm_input, norm_output, norm_sum;
  Parameter skip_gain, branch_gain;  ///< (C), or (1) for one factor; not decayed

 private:
  Tensor input(const Tensor& x, Where where) const;                 // what the branch sees
  Tensor output(const Tensor& z, Where where) const;                // what it adds
  Tensor sum(const Tensor& x, const Tensor& z, Where where) const;  // the new stream
};

}  // namespace tape::inline TAPE_ABI::nn
