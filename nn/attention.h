// Multi-head attention with its projections.
#pragma once

#include <string>

#include <tape/core/ops/attention.h>
#include <tape/nn/context.h>
#include <tape/nn/linear.h>

namespace tape::inline TAPE_ABI::nn {

enum class QKNorm { None, PerHead, FullWidth };

struct AttentionConfig {
  int64_t width = 0;
  int64_t heads = 1;
  bool bias = true;
  double dropout = 0;      ///< on the attention weights and on the result
  double rotary_base = 0;  ///< 0: no rotary positions (self-attention only)
  std::string name = {};   ///< prefix of its taps, such as "blocks.0.attn"
};

/// Which keys a query may see.
struct AttentionMask {
  bool causal = false;
  Tensor additive = {};  ///< (T, S) or (B, T, S), added to the scores; -infinity hides a key
  Ids key_lengths = {};  ///< (B), keys from this position on are padding
};

/// Queries, keys and values from one sequence, by one packed projection.
struct SelfAttention {
  AttentionConfig config;
  Linear qkv;  ///< (3C, C): rows of queries, then keys, then values
  Linear out;  ///< (C, C)

  SelfAttention(AttentionConfig config, const WeightInit& init);

  /// x (B, T, C) → (B, T, C).
  Tensor operator()(const Tensor& x, const AttentionMask& mask, const Context& context,
                    Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("qkv", qkv);
    v("out", out);
  }
};

/// Queries from one sequence, keys and values from another.
struct CrossAttention {
  AttentionConfig config;
  Linear query;      ///< (C, C)
  Linear key_value;  ///< (2C, C): rows of keys, then values
  Linear out;        ///< (C, C)

  CrossAttention(AttentionConfig config, const WeightInit& init);

  /// x (B, T, C), memory (B, S, C) → (B, T, C).
  Tensor operator()(const Tensor& x, const Tensor& memory, const AttentionMask& mask, const Context& context,
                    Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("query", query);
    v("key_value", key_value);
    v("out", out);
  }
};

}  // namespace tape::inline TAPE_ABI::nn
