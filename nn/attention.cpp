#include <tape/nn/attention.h>

#include <tape/core/ops/rotary.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/probe.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

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

}  // namespace

SelfAttention::SelfAttention(AttentionConfig config_, const WeightInit& init)
    : config(checked(std::move(config_))),
      qkv(config.width, 3 * config.width, config.bias, init.packed_qkv()),
      out(config.width, config.width, config.bias, init.with_gain(init.attention_out)) {}

Tensor SelfAttention::operator()(const Tensor& x, const AttentionMask& mask, const Context& context,
                                 Where where) const {
  Tensor packed = qkv(x, where);
  if (config.rotary_base > 0) {  // queries and keys are the first 2·heads heads
    packed = rotary(packed,
                    {.heads = 2 * config.heads, .head_size = config.width / config.heads, .base = config.rotary_base},
                    where);
  }
  packed = tap(config.name, "hook_qkv", packed, where);
  const Tensor z = attention_packed(packed, options_of(config, mask, context), &context.random(), where);
  return dropout(out(tap(config.name, "hook_z", z, where), where), config.dropout, context, where);
}

CrossAttention::CrossAttention(AttentionConfig config_, const WeightInit& init)
    : config(checked(std::move(config_))),
      query(config.width, config.width, config.bias, init.with_gain(init.query_key)),
      key_value(config.width, 2 * config.width, config.bias, init.base),
      out(config.width, config.width, config.bias, init.with_gain(init.attention_out)) {
  key_value.weight->init.row_gains = {init.query_key, init.value};
}

Tensor CrossAttention::operator()(const Tensor& x, const Tensor& memory, const AttentionMask& mask,
                                  const Context& context, Where where) const {
  const Tensor packed = key_value(memory, where);
  const Tensor k = slice(packed, -1, 0, config.width, where);
  const Tensor v = slice(packed, -1, config.width, 2 * config.width, where);
  const Tensor z = attention(query(x, where), k, v, options_of(config, mask, context), &context.random(), where);
  return dropout(out(tap(config.name, "hook_z", z, where), where), config.dropout, context, where);
}

}  // namespace tape::inline TAPE_ABI::nn
