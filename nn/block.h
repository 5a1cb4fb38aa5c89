// Block: attention and feed-forward, each in a residual step of the chosen scheme, and in a decoder that reads from an
// encoder cross attention between them.
#pragma once

#include <optional>
#include <string>

#include <tape/nn/attention.h>
#include <tape/nn/feed_forward.h>
#include <tape/nn/model_config.h>
#include <tape/nn/residual.h>

namespace tape::inline TAPE_ABI::nn {

/// What a decoder reads from: the encoder's features (B, S, C), and which of them it may see.
struct Memory {
  Tensor features = {};
  AttentionMask mask = {};
};

struct Block {
  std::string name;  ///< prefix of its taps, such as "blocks.0"
  Residual attn_residual;
  SelfAttention attn;
  std::optional<Residual> cross_residual;
  std::optional<CrossAttention> cross;
  std::optional<Residual> mlp_residual;  ///< absent where one step has all branches (parallel)
  FeedForward mlp;

  /// Block number `layer` (from 0) of a stack of this depth.
  Block(const ModelConfig& config, const Depth& depth, int64_t layer, std::string name = "block");

  /// x (B, T, C) → (B, T, C). `memory` is read by cross attention only.
  Stream operator()(const Stream& stream, const AttentionMask& mask, const Memory& memory, const Context& context,
                    Where where = Where::here()) const;
  /// The same for a block without cross attention and without a second stream.
  Tensor operator()(const Tensor& x, const AttentionMask& mask, const Context& context,
                    Where where = Where::here()) const {
    return (*this)(Stream{x}, mask, Memory{}, context, where).x;
  }
  void visit(auto&& v) const {
    v("attn_residual", attn_residual);
    v("attn", attn);
    v("cross_residual", cross_residual);
    v("cross", cross);
    v("mlp_residual", mlp_residual);
    v("mlp", mlp);
  }
};

}  // namespace tape::inline TAPE_ABI::nn
