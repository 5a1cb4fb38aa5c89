#include <tape/nn/attention.h>

#include <array>
#include <cmath>

#include <tape/core/ops/attention_scale.h>
#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/probe.h>
#include <tape/nn/attention_weights.h>
#include <tape/nn/names.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

constexpr std::array<Named<QKNorm>, 3> qk_norm_names{
    {{QKNorm::None, "none"}, {QKNorm::PerHead, "head"}, {QKNorm::FullWidth, "full"}}};

constexpr std::array<Named<RotaryLayout>, 2> layout_names{
    {{RotaryLayout::halves, "halves"}, {RotaryLayout::interleaved, "interleaved"}}};

void check(const AttentionConfig& config) {
  if (config.width < 1 || config.heads < 1 || config.width % config.heads != 0) {
    throw Error(str("attention: width ", config.width, " must be a positive multiple of heads ", config.heads,
                    ": choose a width such as ",
                    (config.width / std::max<int64_t>(config.heads, 1) + 1) * config.heads));
  }
  if (config.kv_heads < 0 || config.heads % config.key_heads() != 0) {
    throw Error(str("attention: heads ", config.heads, " must be a multiple of kv_heads ", config.kv_heads));
  }
  if (config.window < 0) throw Error(str("attention: window must not be negative, it is ", config.window));
  if (!(config.softcap >= 0)) throw Error(str("attention: softcap must not be negative, it is ", config.softcap));
}

// Columns of each head that rotary positions turn.
int64_t rotated(const AttentionConfig& c) {
  return static_cast<int64_t>(static_cast<double>(c.head_size()) * c.rotary.fraction);
}

AttentionConfig checked_self(AttentionConfig c) {
  check(c);
  if (c.rotary.base <= 0) return c;
  if (!(c.rotary.fraction > 0 && c.rotary.fraction <= 1)) {
    throw Error(str("attention: rotary.fraction must be above 0 and at most 1, it is ", c.rotary.fraction));
  }
  if (rotated(c) < 2 || rotated(c) % 2 != 0) {
    throw Error(
        str("attention: rotary positions need an even head size, but width ", c.width, " over ", c.heads,
            " heads gives ", c.head_size(),
            c.rotary.fraction < 1 ? str(", of which a fraction of ", c.rotary.fraction, " is ", rotated(c)) : ""));
  }
  return c;
}

AttentionConfig checked_cross(AttentionConfig c) {
  check(c);
  const char* of_one_sequence = c.rotary.base > 0 ? "rotary positions" : c.window > 0 ? "a window" : "alibi";
  if (c.rotary.base > 0 || c.window > 0 || c.alibi) {
    throw Error(str("cross-attention has no use for ", of_one_sequence,
                    ": there are no distances between positions of two sequences"));
  }
  return c;
}

// What queries' first values are multiplied with, so that scores start as with the usual factor. A norm of queries
// would undo it.
double query_gain(const AttentionConfig& c) {
  return c.scale.value_or(0) > 0 && c.qk_norm == QKNorm::None
             ? 1 / (*c.scale * std::sqrt(static_cast<double>(c.head_size())))
             : 1;
}

// Attention multiplies in the precision of the layer that makes its queries.
AttentionOptions options_of(const AttentionConfig& config, const AttentionMask& mask, const Context& context,
                            const Linear& queries) {
  return {.heads = config.heads,
          .kv_heads = config.kv_heads,
          .causal = mask.causal,
          .window = config.window,
          .alibi = config.alibi,
          .softcap = config.softcap,
          .mask = mask.additive,
          .key_lengths = mask.key_lengths,
          .segments = mask.segments,
          .key_segments = mask.key_segments,
          .relative_bias = mask.relative_bias,
          .max_distance = config.max_distance,
          .dropout = context.is_training() ? config.dropout : 0,
          .scale = config.scale,
          .precision = queries.weight->precision};
}

// The largest scores (B, H, T) for a probe, if there is one.
class TopScores {
 public:
  explicit TopScores(const AttentionConfig& config) : config_(config) {}

  AttentionOptions asked_of(AttentionOptions options) {
    if (Probe::current()) options.top_scores = &tops_;
    return options;
  }
  void show(Where where) const {
    if (tops_) tap(config_.name, "hook_attn_scores_max", tops_, where);
  }

 private:
  const AttentionConfig& config_;
  Tensor tops_;
};

// Turns the first `heads` heads of x, whose first row stands at position `first`.
Tensor turned(const AttentionConfig& c, const Tensor& x, int64_t heads, int64_t first, Where where) {
  if (c.rotary.base <= 0) return x;
  return rotary(x,
                {.heads = heads,
                 .head_size = c.head_size(),
                 .base = c.rotary.base,
                 .first_position = first,
                 .rotated = rotated(c),
                 .layout = c.rotary.layout},
                where);
}

// What a probe may ask for: fused attention keeps no probabilities, so they are computed once more.
void show(const AttentionConfig& config, const Tensor& q, const Tensor& k, const Tensor& v,
          const AttentionOptions& options, Where where) {
  const int64_t keys = options.keys > 0 ? options.keys : v.shape()[1];
  if (Probe::asks_for("hook_v")) tap(config.name, "hook_v", slice(v.detach(), 1, 0, keys, where), where);
  if (!Probe::asks_for("hook_pattern")) return;
  tap(config.name, "hook_pattern", attention_weights(q.detach(), k.detach(), options, where), where);
}
// The same for queries, keys and values side by side.
void show_packed(const AttentionConfig& c, const Tensor& qkv, const AttentionOptions& options, Where where) {
  if (!Probe::asks_for("hook_v") && !Probe::asks_for("hook_pattern")) return;
  const Tensor all = qkv.detach();
  const int64_t values = c.width + c.key_width();
  show(c, slice(all, -1, 0, c.width, where), slice(all, -1, c.width, values, where),
       slice(all, -1, values, all.last(), where), options, where);
}

// residual + dropout(out(z)); no residual adds nothing.
Tensor project(const Tensor& residual, const Linear& out, const Tensor& z, const AttentionConfig& config,
               const Context& context, Where where) {
  if (!context.drops(config.dropout)) return out.added(residual, z, where);
  const Tensor y = dropout(out(z, where), config.dropout, context, where);
  return residual ? add(residual, y, where) : y;
}

void require_rememberable(const AttentionMask& mask, Where where) {
  if (!mask.causal) throw Error("key-value cache: attention must be causal, or earlier positions would change", where);
  if (mask.segments || mask.key_lengths || mask.additive) {
    throw Error("key-value cache: it goes with whole texts, without lengths, segments and masks", where);
  }
}

}  // namespace

std::string_view name_of(QKNorm norm) {
  return find_name(norm, qk_norm_names);
}
QKNorm qk_norm(std::string_view name) {
  return find_value("norm of queries and keys", name, qk_norm_names);
}

std::string_view name_of(RotaryLayout layout) {
  return find_name(layout, layout_names);
}
RotaryLayout rotary_layout(std::string_view name) {
  return find_value("rotary layout", name, layout_names);
}

InnerNorms::InnerNorms(const AttentionConfig& c)
    : head_size(c.head_size()), full_width(c.qk_norm == QKNorm::FullWidth) {
  if (c.qk_norm != QKNorm::None) {
    query_norm.emplace(c.norm, full_width ? c.width : head_size);
    key_norm.emplace(c.norm, full_width ? c.key_width() : head_size);
  }
  if (c.norm_value) value_norm.emplace(c.norm, head_size);
  if (c.norm_out) out_norm.emplace(c.norm, c.width);
  if (c.head_scale) head_scale = Parameter({c.heads}, ones_init(), false);
}

Tensor InnerNorms::normed(const std::optional<Norm>& norm, bool per_head, const Tensor& x, Where where) const {
  if (!norm) return x;
  if (!per_head) return (*norm)(x, where);
  return reshape((*norm)(reshape(x, {x.shape()[0], x.shape()[1], -1, head_size}, where), where), x.shape(), where);
}

Tensor InnerNorms::output(const Tensor& z, Where where) const {
  const Tensor y = head_scale ? scale_heads(z, head_scale, where) : z;
  return out_norm ? (*out_norm)(y, where) : y;
}

SelfAttention::SelfAttention(AttentionConfig config_, const WeightInit& init)
    : config(checked_self(std::move(config_))),
      qkv(config.width, config.width + 2 * config.key_width(), config.bias,
          init.packed_qkv(config.width, config.key_width(), query_gain(config))),
      inner(config),
      out(config.width, config.width, config.bias, init.with_gain(init.attention_out)) {}

Tensor SelfAttention::added(const Tensor& residual, const Tensor& x, const AttentionMask& mask, const Context& context,
                            Where where) const {
  TopScores tops(config);
  AttentionOptions options = tops.asked_of(options_of(config, mask, context, qkv));
  const Tensor packed = qkv(x, where);
  const int64_t first = context.first_position();
  Tensor z;
  if (inner.on_inputs() || context.cache()) {
    const int64_t keys = config.width;
    const int64_t values = keys + config.key_width();
    const Tensor q = turned(config, inner.query(slice(packed, -1, 0, keys, where), where), config.heads, first, where);
    const Tensor of_heads = inner.key(slice(packed, -1, keys, values, where), where);
    Tensor k = turned(config, of_heads, config.key_heads(), first, where);
    Tensor v = inner.value(slice(packed, -1, values, packed.last(), where), where);
    if (context.cache()) {
      require_rememberable(mask, where);
      const KeyValueCache::Entry& all = context.cache()->extend(config.name, k, v, where);
      k = all.keys;
      v = all.values;
      options.keys = first + x.shape()[1];
    }
    show(config, q, k, v, options, where);
    z = attention(q, k, v, options, &context.random(), where);
  } else {  // the first heads are those of queries and keys
    const Tensor ready = turned(config, packed, config.heads + config.key_heads(), first, where);
    show_packed(config, ready, options, where);
    z = attention_packed(tap(config.name, "hook_qkv", ready, where), options, &context.random(), where);
  }
  tops.show(where);
  z = tap(config.name, "hook_z", inner.output(z, where), where);
  return project(residual, out, z, config, context, where);
}

CrossAttention::CrossAttention(AttentionConfig config_, const WeightInit& init)
    : config(checked_cross(std::move(config_))),
      query(config.width, config.width, config.bias, init.with_gain(init.query_key * query_gain(config))),
      key_value(config.width, 2 * config.key_width(), config.bias, init.packed_key_value()),
      inner(config),
      out(config.width, config.width, config.bias, init.with_gain(init.attention_out)) {}

Tensor CrossAttention::added(const Tensor& residual, const Tensor& x, const Tensor& memory, const AttentionMask& mask,
                             const Context& context, Where where) const {
  if (mask.relative_bias) {
    throw Error("cross-attention has no use for a relative bias: there are no distances between two sequences", where);
  }
  KeyValueCache::Entry own;
  KeyValueCache::Entry& source = context.cache() ? context.cache()->entry(config.name) : own;
  if (!source.keys) {
    const Tensor packed = key_value(memory, where);
    source = {inner.key(slice(packed, -1, 0, config.key_width(), where), where),
              inner.value(slice(packed, -1, config.key_width(), packed.last(), where), where)};
  }
  const Tensor q = inner.query(query(x, where), where);
  TopScores tops(config);
  const AttentionOptions options = tops.asked_of(options_of(config, mask, context, query));
  show(config, q, source.keys, source.values, options, where);
  Tensor z = attention(q, source.keys, source.values, options, &context.random(), where);
  tops.show(where);
  z = tap(config.name, "hook_z", inner.output(z, where), where);
  return project(residual, out, z, config, context, where);
}

}  // namespace tape::inline TAPE_ABI::nn
