// Multi-head attention with its projections.
//
// Taps under AttentionConfig::name: hook_z, what the output projection reads; in self-attention without norms of
// queries, keys and values also hook_qkv, packed. A probe that asks for them sees hook_pattern, the probabilities
// (B, H, T, S) of attention_weights.h, and hook_v, the values (B, S, KV·D) that they weigh.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tape/core/ops/attention.h>
#include <tape/core/ops/rotary.h>
#include <tape/nn/context.h>
#include <tape/nn/linear.h>
#include <tape/nn/norm.h>

namespace tape::inline TAPE_ABI::nn {

/// A norm of queries and keys after their projection, before rotary positions: over each head, with one weight (D) for
/// all heads (Henry et al. 2020, arXiv 2010.04245, with a learned gain), or over all heads together as in OLMo-2.
enum class QKNorm { None, PerHead, FullWidth };
/// "none", "head" or "full". The second function throws Error for another name, listing these.
std::string_view name_of(QKNorm norm);
QKNorm qk_norm(std::string_view name);
/// "halves" or "interleaved". The second function throws Error for another name, listing these.
std::string_view name_of(RotaryLayout layout);
RotaryLayout rotary_layout(std::string_view name);

/// Rotary positions of queries and keys (core/ops/rotary.h).
struct RotaryConfig {
  double base = 0;      ///< 0: none
  double fraction = 1;  ///< of each head's columns, from the first: ⌊D·fraction⌋ are turned, an even number
  RotaryLayout layout = RotaryLayout::halves;
};

struct AttentionConfig {
  int64_t width = 0;     ///< C
  int64_t heads = 1;     ///< H, each of size D = C/H
  int64_t kv_heads = 0;  ///< KV, heads of keys and values, a divisor of H; 0: as many as of queries
  bool bias = true;
  double dropout = 0;          ///< on the attention weights and on the result
  RotaryConfig rotary = {};    ///< self-attention only, as the next two
  int64_t window = 0;          ///< how far a query sees (core/ops/attention.h); 0: without limit
  bool alibi = false;          ///< scores fall with the distance
  int64_t max_distance = 128;  ///< of AttentionMask::relative_bias: farther keys share the last bucket
  double softcap = 0;          ///< bound of the scores, as in Gemma 2; 0: none
  /// Factor on the scores; 1/√D unless given. T5 has 1. Queries start smaller by as much as it is larger, as in T5, so
  /// that the first scores are the same; not with qk_norm, whose norm leaves nothing of that.
  std::optional<double> scale = {};
  QKNorm qk_norm = QKNorm::None;
  bool norm_value = false;            ///< a norm of values, over each head: HybridNorm
  bool norm_out = false;              ///< a norm over all heads before the output projection: Sub-LN
  bool head_scale = false;            ///< a learned factor for each head before the output projection: NormFormer
  NormConfig norm = NormKind::Layer;  ///< the kind of these norms
  std::string name = {};              ///< prefix of its taps, such as "blocks.0.attn"

  int64_t head_size() const { return width / heads; }
  int64_t key_heads() const { return kv_heads > 0 ? kv_heads : heads; }
  int64_t key_width() const { return key_heads() * head_size(); }  ///< KV·D, C unless heads are shared
};

/// Which keys a query may see, and what a stack of layers shares.
struct AttentionMask {
  bool causal = false;
  Tensor additive = {};       ///< (T, S) or (B, T, S), added to the scores; -infinity hides a key
  Ids key_lengths = {};       ///< (B), keys from this position on are padding
  Ids segments = {};          ///< (B, T), a query sees keys of its own segment; below 0 is padding
  Ids key_segments = {};      ///< (B, S), cross-attention only: the segments of the keys
  Tensor relative_bias = {};  ///< (buckets, H), self-attention only: T5's learned bias, which its layers share
};

/// What residual schemes put inside attention, between its projections; each part is absent where it is not asked for.
struct InnerNorms {
  std::optional<Norm> query_norm, key_norm;  ///< (D), or (C) and (KV·D)
  std::optional<Norm> value_norm;            ///< (D)
  std::optional<Norm> out_norm;              ///< (C)
  Parameter head_scale;                      ///< (H), starts at 1, not decayed

  explicit InnerNorms(const AttentionConfig& config);

  bool on_inputs() const { return query_norm || value_norm; }
  /// Queries (B, T, C), keys or values (B, S, KV·D), normalised where that is asked for.
  Tensor query(const Tensor& q, Where where) const { return normed(query_norm, !full_width, q, where); }
  Tensor key(const Tensor& k, Where where) const { return normed(key_norm, !full_width, k, where); }
  Tensor value(const Tensor& v, Where where) const { return normed(value_norm, true, v, where); }
  /// The heads' output z (B, T, C), scaled and normalised.
  Tensor output(const Tensor& z, Where where) const;
  void visit(auto&& v) const {
    v("query_norm", query_norm);
    v("key_norm", key_norm);
    v("value_norm", value_norm);
    v("out_norm", out_norm);
    v("head_scale", head_scale);
  }

 private:
  Tensor normed(const std::optional<Norm>& norm, bool per_head, const Tensor& x, Where where) const;

  int64_t head_size;
  bool full_width;
};

/// Queries, keys and values from one sequence, by one packed projection.
struct SelfAttention {
  AttentionConfig config;
  Linear qkv;  ///< (C + 2·KV·D, C): rows of queries, then keys, then values
  InnerNorms inner;
  Linear out;  ///< (C, C)

  SelfAttention(AttentionConfig config, const WeightInit& init);

  /// x (B, T, C) → (B, T, C).
  Tensor operator()(const Tensor& x, const AttentionMask& mask, const Context& context,
                    Where where = Where::here()) const {
    return added({}, x, mask, context, where);
  }
  /// residual (B, T, C) + that, as one op with the last product where nothing comes between; no residual adds nothing.
  Tensor added(const Tensor& residual, const Tensor& x, const AttentionMask& mask, const Context& context,
               Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("qkv", qkv);
    inner.visit(v);
    v("out", out);
  }
};

/// Queries from one sequence, keys and values from another.
struct CrossAttention {
  AttentionConfig config;
  Linear query;      ///< (C, C)
  Linear key_value;  ///< (2·KV·D, C): rows of keys, then values
  InnerNorms inner;
  Linear out;  ///< (C, C)

  CrossAttention(AttentionConfig config, const WeightInit& init);

  /// x (B, T, C), memory (B, S, C) → (B, T, C).
  Tensor operator()(const Tensor& x, const Tensor& memory, const AttentionMask& mask, const Context& context,
                    Where where = Where::here()) const {
    return added({}, x, memory, mask, context, where);
  }
  /// residual (B, T, C) + that, as SelfAttention::added.
  Tensor added(const Tensor& residual, const Tensor& x, const Tensor& memory, const AttentionMask& mask,
               const Context& context, Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("query", query);
    v("key_value", key_value);
    inner.visit(v);
    v("out", out);
  }
};

}  // namespace tape::inline TAPE_ABI::nn
