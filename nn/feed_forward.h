// Feed-forward: the same two-layer network at every position.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tape/nn/context.h>
#include <tape/nn/linear.h>

namespace tape::inline TAPE_ABI::nn {

enum class Activation { ReLU, GELU, GELUTanh, SwiGLU };
/// "relu", "gelu", "gelu_tanh" or "swiglu". The second function throws Error for another name, listing these.
std::string_view name_of(Activation activation);
Activation activation(std::string_view name);

/// The usual hidden width for model width C: 4·C, or for SwiGLU, which has three matrices instead of two, 8/3·C rounded
/// up to a multiple of 8, so that both have the same number of parameters (Shazeer 2020, arXiv 2002.05202).
int64_t default_hidden(Activation activation, int64_t width);

struct FeedForward {
  Activation kind;
  std::string name;  ///< prefix of its taps, such as "blocks.0.mlp"
  double dropout_p;
  Linear up;                   ///< (F, C)
  std::optional<Linear> gate;  ///< (F, C), SwiGLU only
  Linear down;                 ///< (C, F)

  FeedForward(Activation kind, int64_t width, int64_t hidden, bool bias, const WeightInit& init, double dropout_p,
              std::string name);

  /// down(φ(up(x))), or down(silu(gate(x)) ⊙ up(x)) for SwiGLU; dropout on the result. x (…, C) → (…, C).
  Tensor operator()(const Tensor& x, const Context& context, Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("up", up);
    v("gate", gate);
    v("down", down);
  }
};

}  // namespace tape::inline TAPE_ABI::nn
