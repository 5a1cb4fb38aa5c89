// MLP: two linear layers with an activation between them, the network that feed-forward applies at every position and
// of which a mixture has several.
//
//   plain    y = down(norm(φ(up(x))))
//   gated    y = down(norm(φ(gate(x)) ⊙ up(x)))      Shazeer 2020, arXiv 2002.05202
//
// with norm only where FeedForwardConfig::norm_hidden asks for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tape/nn/linear.h>
#include <tape/nn/norm.h>

namespace tape::inline TAPE_ABI::nn {

/// φ, and for the last three, φ = SiLU, GELU and ReLU, with a gate.
enum class Activation { ReLU, GELU, GELUTanh, SquaredReLU, SiLU, SwiGLU, GeGLU, ReGLU };
/// "relu", "gelu", "gelu_tanh", "squared_relu", "silu", "swiglu", "geglu" or "reglu". The second function throws Error
/// for another name, listing these.
std::string_view name_of(Activation activation);
Activation activation(std::string_view name);
bool is_gated(Activation activation);

/// The usual hidden width for model width C: 4·C, or for a gated activation, which has three matrices instead of two,
/// 8/3·C rounded up to a multiple of 8, so that both have the same number of parameters (Shazeer 2020).
int64_t default_hidden(Activation activation, int64_t width);

/// Several networks instead of one, of which each token uses a few (mixture.h).
struct MixtureConfig {
  int64_t experts = 0;    ///< 0: one network for all tokens
  int64_t per_token = 2;  ///< experts that a token uses
  double balance = 0.01;  ///< factor of the load-balancing loss; 0: none
};

struct FeedForwardConfig {
  Activation activation = Activation::GELU;
  int64_t width = 0;
  int64_t hidden = 0;        ///< 0 for default_hidden(activation, width); in a mixture that of each expert
  bool bias = true;          ///< in the linear layers; a router has none
  double dropout = 0;        ///< on the result
  bool norm_hidden = false;  ///< a norm of the hidden activations, as in Sub-LN (Magneto) and NormFormer
  NormConfig norm = {};      ///< its kind
  MixtureConfig mixture = {};
  std::string name = {};  ///< prefix of its taps, such as "blocks.0.mlp"
};

/// Throws Error naming the field for a value out of range.
void check(const FeedForwardConfig& config);

struct MLP {
  Activation activation;
  std::string name;
  Linear up;                        ///< (F, C)
  std::optional<Linear> gate;       ///< (F, C), gated activations only
  std::optional<Norm> hidden_norm;  ///< (F)
  Linear down;                      ///< (C, F)

  /// Throws Error for a config that check() refuses.
  MLP(const FeedForwardConfig& config, const WeightInit& init);

  /// x (…, C) → (…, C). Taps: hook_pre, what φ is applied to; hook_pre_linear, what a gate multiplies; hook_mid, what a
  /// norm sees; hook_post, what goes into down.
  Tensor operator()(const Tensor& x, Where where = Where::here()) const { return added({}, x, where); }
  /// residual (…, C) + that, the sum made as the last product is computed; no residual adds nothing.
  Tensor added(const Tensor& residual, const Tensor& x, Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("up", up);
    v("gate", gate);
    v("hidden_norm", hidden_norm);
    v("down", down);
  }

 private:
  // φ(up(x)), or φ(gate(x)) ⊙ up(x). One op without a gate, unless a probe looks at what φ is applied to.
  Tensor hidden(const Tensor& x, Where where) const;
};

}  // namespace tape::inline TAPE_ABI::nn
