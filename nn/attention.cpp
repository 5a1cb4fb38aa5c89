#include <tape/nn/attention.h>

#include <array>

#include <tape/core/ops/attention_scale.h>
#include <tape/core/ops/rotary.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/probe.h>
#include <tape/nn/names.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

constexpr std::array<Named<QKNorm>, 3> qk_norm_names{
    {{QKNorm::None, "none"}, {QKNorm::PerHead, "head"}, {QKNorm::FullWidth, "full"}}};

AttentionConfig checked(AttentionConfig config) {
  if (config.width < 1 || config.heads < 1 || config.width % config.heads != 0) {
    throw Error(str("attention: width ", config.width, " must be a positive multiple of heads ", config.heads,
                    ": choose a width such as ",
                    (config.width / std::max<int64_t>(config.heads, 1) + 1) * config.heads));
  }
  if (config.rotary_base > 0 && config.width / config.heads % 2 != 0) {
    throw Error(str("attention: rotary positions need an even head size, but width ", config.width, " over ",
                    config.heads, " heads gives ", config.width / config.heads));
  }
  return config;
}

AttentionOptions options_of(const AttentionConfig& config, const AttentionMask& mask, const Context& context) {
  return {.heads = config.heads,
          .causal = mask.causal,
          .mask = mask.additive,
          .key_lengths = mask.key_lengths,
          .dropout = context.is_training() ? config.dropout : 0};
}

// Turns the first `heads` heads of x.
Tensor turned(const AttentionConfig& c, const Tensor& x, int64_t heads, Where where) {
  if (c.rotary_base <= 0) return x;
  return rotary(x, {.heads = heads, .head_size = c.width / c.heads, .base = c.rotary_base}, where);
}

}  // namespace

std::string_view name_of(QKNorm norm) {
  return find_name(norm, qk_norm_names);
}
QKNorm qk_norm(std::string_view name) {
  return find_value("norm of queries and keys", name, qk_norm_names);
}

InnerNorms::InnerNorms(const AttentionConfig& c)
    : head_size(c.width / c.heads), full_width(c.qk_norm == QKNorm::FullWidth) {
  if (c.qk_norm != QKNorm::None) {
    query_norm.emplace(c.norm, c.qk_norm == QKNorm::PerHead ? head_size : c.width);
    key_norm.emplace(c.norm, c.qk_norm == QKNorm::PerHead ? head_size : c.width);
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
    : config(checked(std::move(config_))),
      qkv(config.width, 3 * config.width, config.bias, init.packed_qkv()),
      inner(config),
      out(config.width, config.width, config.bias, init.with_gain(init.attention_out)) {}

Tensor SelfAttention::operator()(const Tensor& x, const AttentionMask& mask, const Context& context,
                                 Where where) const {
  const AttentionOptions options = options_of(config, mask, context);
  const Tensor packed = qkv(x, where);
  Tensor z;
  if (inner.on_inputs()) {
    const int64_t width = config.width;
    const Tensor q = inner.query(slice(packed, -1, 0, width, where), where);
    const Tensor k = inner.key(slice(packed, -1, width, 2 * width, where), where);
    const Tensor v = inner.value(slice(packed, -1, 2 * width, 3 * width, where), where);
    z = attention(turned(config, q, config.heads, where), turned(config, k, config.heads, where), v, options,
                  &context.random(), where);
  } else {  // queries and keys are the first 2·heads heads
    const Tensor ready = tap(config.name, "hook_qkv", turned(config, packed, 2 * config.heads, where), where);
    z = attention_packed(ready, options, &context.random(), where);
  }
  z = tap(config.name, "hook_z", inner.output(z, where), where);
  return dropout(out(z, where), config.dropout, context, where);
}

CrossAttention::CrossAttention(AttentionConfig config_, const WeightInit& init)
    : config(checked(std::move(config_))),
      query(config.width, config.width, config.bias, init.with_gain(init.query_key)),
      key_value(config.width, 2 * config.width, config.bias, init.base),
      inner(config),
      out(config.width, config.width, config.bias, init.with_gain(init.attention_out)) {
  key_value.weight->init.row_gains = {init.query_key, init.value};
}

Tensor CrossAttention::operator()(const Tensor& x, const Tensor& memory, const AttentionMask& mask,
                                  const Context& context, Where where) const {
  const Tensor packed = key_value(memory, where);
  const Tensor q = inner.query(query(x, where), where);
  const Tensor k = inner.key(slice(packed, -1, 0, config.width, where), where);
  const Tensor v = inner.value(slice(packed, -1, config.width, 2 * config.width, where), where);
  const Tensor z = attention(q, k, v, options_of(config, mask, context), &context.random(), where);
  return dropout(out(tap(config.name, "hook_z", inner.output(z, where), where), where), config.dropout, context, where);
}

}  // namespace tape::inline TAPE_ABI::nn
