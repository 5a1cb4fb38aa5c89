// Scaled dot-product attention of several heads, fused: the matrix of scores is never kept for backward.
#pragma once

#include <optional>

#include <tape/core/random.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

struct AttentionOptions {
  int64_t heads = 1;
  bool causal = false;  ///< query t sees keys 0…t (with S > T: keys 0…t+S-T, as with a cache)
  Tensor mask = {};     ///< added to the scores before softmax: (T, S), or (B, T, S); -infinity hides a key. A constant
  Ids key_lengths = {};              ///< (B): keys from this position on are padding and hidden
  double dropout = 0.0;              ///< probability that an attention weight is dropped
  std::optional<double> scale = {};  ///< factor on the scores; 1/√D unless given
};

/// For each head h: softmax(scale·Q_h·K_hᵀ + mask)·V_h, heads side by side in the last axis. q (B, T, H·D),
/// k and v (B, S, H·D) → (B, T, H·D). A query that sees no key gets zeros, and zero gradients.
/// Saves q, k, v, the output and one logarithm of a sum for each row: memory linear in T.
/// Vaswani et al. 2017, arXiv 1706.03762, equation 1; recomputation in backward after Dao et al. 2022, arXiv
/// 2205.14135. `random` is only used, and needed, with dropout; it advances by one draw.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                 Random* random = nullptr, Where where = Where::here());

/// Self-attention read in place from the packed projection qkv (B, T, 3C) = [q | k | v] → (B, T, C).
Tensor attention_packed(const Tensor& qkv, const AttentionOptions& options, Random* random = nullptr,
                        Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
