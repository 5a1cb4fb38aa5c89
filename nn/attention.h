// Multi-head attention with its projections.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tape/core/ops/attention.h>
#include <tape/nn/context.h>
#include <tape/nn/linear.h>
#include <tape/nn/norm.h>

namespace tape::inline TAPE_ABI::nn {

/// A norm of queries and keys after their projection, before rotary positions: over each head, with one weight (D) for
/// all heads (Henry et al. 2020, arXiv 2010.04245, with a learned gain), or over the full width (C) as in OLMo-2.
enum class QKNorm { None, PerHead, FullWidth };
/// "none", "head" or "full". The second function throws Error for another name, listing these.
std::string_view name_of(QKNorm norm);
QKNorm qk_norm(std::string_view name);

struct AttentionConfig {
  int64_t width = 0;
  int64_t heads = 1;
  bool bias = true;
  double dropout = 0;      ///< on the attention weights and on the result
  double rotary_base = 0;  ///< 0: no rotary positions (self-attention only)
  QKNorm qk_norm = QKNorm::None;
  bool norm_value = false;            ///< a norm of values, over each head: HybridNorm
  bool norm_out = false;              ///< a norm over all heads before the output projection: Sub-LN
  bool head_scale = false;            ///< a learned factor for each head before the output projection: NormFormer
  NormConfig norm = NormKind::Layer;  ///< the kind of these norms
  std::string name = {};              ///< prefix of its taps, such as "blocks.0.attn"
};

/// Which keys a query may see.
struct AttentionMask {
  bool causal = false;
  Tensor additive = {};  ///< (T, S) or (B, T, S), added to the scores; -infinity hides a key
  Ids key_lengths = {};  ///< (B), keys from this position on are padding
};

/// What residual schemes put inside attention, between its projections; each part is absent where it is not asked for.
struct InnerNorms {
  std::optional<Norm> query_norm, key_norm;  ///< (D) or (C)
  std::optional<Norm> value_norm;            ///< (D)
  std::optional<Norm> out_norm;              ///< (C)
  Parameter head_scale;                      ///< (H), starts at 1, not decayed

  explicit InnerNorms(const AttentionConfig& config);

  bool on_inputs() const { return query_norm || value_norm; }
  /// Queries, keys or values (B, T, C), normalised where that is asked for.
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
  Linear qkv;  ///< (3C, C): rows of queries, then keys, then values
  InnerNorms inner;
  Linear out;  ///< (C, C)

  SelfAttention(AttentionConfig config, const WeightInit& init);

  /// x (B, T, C) → (B, T, C).
  Tensor operator()(const Tensor& x, const AttentionMask& mask, const Context& context,
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
  Linear key_value;  ///< (2C, C): rows of keys, then values
  InnerNorms inner;
  Linear out;  ///< (C, C)

  CrossAttention(AttentionConfig config, const WeightInit& init);

  /// x (B, T, C), memory (B, S, C) → (B, T, C).
  Tensor operator()(const Tensor& x, const Tensor& memory, const AttentionMask& mask, const Context& context,
                    Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("query", query);
    v("key_value", key_value);
    inner.visit(v);
    v("out", out);
  }
};

}  // namespace tape::inline TAPE_ABI::nn
