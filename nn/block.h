// Block: attention and feed-forward, each in a residual step of the chosen scheme.
#pragma once

#include <string>

#include <tape/nn/attention.h>
#include <tape/nn/feed_forward.h>
#include <tape/nn/residual.h>

namespace tape::inline TAPE_ABI::nn {

struct BlockConfig {
  int64_t layers = 1;  ///< blocks in the stack: the scheme's constants follow from it
  int64_t width = 0;
  int64_t heads = 1;
  int64_t hidden = 0;  ///< feed-forward width; 0 for default_hidden
  Scheme scheme = Scheme::PreLN;
  NormConfig norm = NormKind::Layer;
  Activation activation = Activation::GELU;
  bool bias = true;
  double dropout = 0;
  double rotary_base = 0;
  std::string name = {};  ///< prefix of its taps, such as "blocks.0"
};

struct Block {
  Scheme scheme;
  double alpha;
  std::string name;
  Norm norm1;
  SelfAttention attn;
  Norm norm2;
  FeedForward mlp;

  Block(const BlockConfig& config, const WeightInit& init);

  /// x (B, T, C) → (B, T, C).
  Tensor operator()(const Tensor& x, const AttentionMask& mask, const Context& context,
                    Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("norm1", norm1);
    v("attn", attn);
    v("norm2", norm2);
    v("mlp", mlp);
  }
};

}  // namespace tape::inline TAPE_ABI::nn
