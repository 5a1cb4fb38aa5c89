#include <tape/nn/block.h>

#include <tape/core/probe.h>

namespace tape::inline TAPE_ABI::nn {

Block::Block(const BlockConfig& c, const WeightInit& init)
    : scheme(c.scheme),
      alpha(scheme_constants(c.scheme, c.layers).alpha),
      name(c.name),
      norm1(c.norm, c.width),
      attn({.width = c.width,
            .heads = c.heads,
            .bias = c.bias,
            .dropout = c.dropout,
            .rotary_base = c.rotary_base,
            .name = c.name + ".attn"},
           init),
      norm2(c.norm, c.width),
      mlp(c.activation, c.width, c.hidden > 0 ? c.hidden : default_hidden(c.activation, c.width), c.bias, init,
          c.dropout, c.name + ".mlp") {}

Tensor Block::operator()(const Tensor& x, const AttentionMask& mask, const Context& context, Where where) const {
  const auto attention_branch = [&](const Tensor& input) {
    return tap(name, "hook_attn_out", attn(input, mask, context, where), where);
  };
  const auto feed_forward_branch = [&](const Tensor& input) {
    return tap(name, "hook_mlp_out", mlp(input, context, where), where);
  };
  const Tensor pre = tap(name, "hook_resid_pre", x, where);
  const Tensor mid = tap(name, "hook_resid_mid", residual(scheme, alpha, norm1, pre, attention_branch, where), where);
  return tap(name, "hook_resid_post", residual(scheme, alpha, norm2, mid, feed_forward_branch, where), where);
}

}  // namespace tape::inline TAPE_ABI::nn
