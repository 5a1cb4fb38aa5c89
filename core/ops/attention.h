// Scaled dot-product attention of several heads, fused: the matrix of scores is never kept for backward.
#pragma once

#include <optional>

#include <tape/core/precision.h>
#include <tape/core/random.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// All of these go together. Where distances count (window, alibi, relative_bias), query t stands at position t + S -
/// T, and S must be T unless attention is causal.
struct AttentionOptions {
  int64_t heads = 1;     ///< H, of the queries
  int64_t kv_heads = 0;  ///< KV, of keys and values: H is a multiple of it, and neighbouring queries share; 0: as many
  int64_t keys = 0;      ///< S, when k and v have more rows: the others are room of a cache, never read; 0: all of them
  bool causal = false;   ///< query t sees keys 0…t (with S > T: keys 0…t+S-T, as with a cache)
  int64_t window = 0;    ///< query t sees keys t-window+1…t if causal, else |t - s| < window; 0: no limit
  bool alibi = false;    ///< adds -slope_h·|t - s| to the scores (alibi_slope in attention_bias.h)
  double softcap = 0;    ///< c > 0: scores become c·tanh(scores/c) before anything is added or hidden; 0: off
  Tensor mask = {};  ///< added to the scores before softmax: (T, S), or (B, T, S); -infinity hides a key. A constant
  Ids key_lengths = {};   ///< (B): keys from this position on are padding and hidden
  Ids segments = {};      ///< (B, T): a query sees keys of its own segment only; below 0: sees nothing, seen by nothing
  Ids key_segments = {};  ///< (B, S): the segments of the keys, unless they are those of the queries
  Tensor relative_bias = {};         ///< (buckets, H), learned: adds its row relative_bucket(s - t) (attention_bias.h)
  int64_t max_distance = 128;        ///< of relative_bias: farther keys share the last bucket
  double dropout = 0.0;              ///< probability that an attention weight is dropped
  std::optional<double> scale = {};  ///< factor on the scores; 1/√D unless given
  /// Of the products; softmax and all sums are f32 always. Both kinds of bf16 round q, k, v, the weights, and the
  /// gradients of the output and of the scores where they enter a product, and compute the same on any processor: fast
  /// where it has AVX512-BF16, in f32 elsewhere. A single query is computed in f32. The first key that is hidden behind
  /// others may meet the factor 0: it must be finite.
  Precision precision = Precision::f32;
  /// If given, becomes (B, H, T): the largest score of each query as softmax sees it, after scale, cap, biases and
  /// mask; -infinity where it sees no key, NaN where the score of a key that it sees is not finite. For looking at, it
  /// has no gradient.
  Tensor* top_scores = nullptr;
};

/// For each head h: softmax(cap(scale·Q_h·K_gᵀ) + biases + mask)·V_g with the key head g = ⌊h·KV/H⌋, heads side by side
/// in the last axis. q (B, T, H·D), k and v (B, S, KV·D) → (B, T, H·D). A query that sees no key gets zeros, and zero
/// gradients. Keys that a block of queries can not see are not computed, before a window or segment and after it.
/// Saves q, k, v and two numbers for each row: memory linear in T.
/// Vaswani et al. 2017, arXiv 1706.03762, equation 1; recomputation in backward after Dao et al. 2022, arXiv
/// 2205.14135. Shared key heads: Shazeer 2019, arXiv 1911.02150 (KV = 1); Ainslie et al. 2023, arXiv 2305.13245.
/// Window: Jiang et al. 2023, arXiv 2310.06825, section 2. Cap: Gemma 2, arXiv 2408.00118, section 2. `random` is only
/// used, and needed, with dropout; it advances by one draw.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                 Random* random = nullptr, Where where = Where::here());

/// Self-attention read in place from the packed projection qkv (B, T, (H + 2·KV)·D) = [q | k | v] → (B, T, H·D).
Tensor attention_packed(const Tensor& qkv, const AttentionOptions& options, Random* random = nullptr,
                        Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
