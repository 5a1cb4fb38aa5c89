#include <tape/nn/block.h>

#include <tape/core/probe.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

// What the three constructors need to know.
struct Site {
  const ModelConfig& config;
  const Depth& depth;
  int64_t layer;
  const std::string& name;

  Slots slots(Sublayer sublayer) const { return plan(config.scheme, depth, layer, sublayer); }
  WeightInit init(Sublayer sublayer) const { return scheme_init(config.scheme, depth, sublayer); }
  bool parallel() const { return slots(Sublayer::SelfAttention).parallel; }
};

Residual residual_of(const Site& s, Sublayer sublayer) {
  const char* name = sublayer == Sublayer::SelfAttention    ? ".ln1"
                     : sublayer == Sublayer::CrossAttention ? ".ln_cross"
                                                            : ".ln2";
  return Residual(s.slots(sublayer), s.config.norm, s.config.width, s.name + name);
}

AttentionConfig attention_config(const Site& s, Sublayer sublayer) {
  const ModelConfig& c = s.config;
  AttentionConfig a{.width = c.width, .heads = c.heads, .kv_heads = c.kv_heads, .bias = c.bias, .dropout = c.dropout};
  a.softcap = c.softcap;
  if (c.attention_scale > 0) a.scale = c.attention_scale;
  const Slots slots = s.slots(sublayer);
  a.qk_norm = slots.norm_query_key != QKNorm::None ? slots.norm_query_key : c.qk_norm;
  a.norm_value = slots.norm_value;
  a.norm_out = slots.norm_inner;
  a.head_scale = slots.head_scale;
  a.norm = c.norm;
  a.name = s.name + (sublayer == Sublayer::CrossAttention ? ".cross" : ".attn");
  if (sublayer == Sublayer::SelfAttention) {
    if (c.positions == Positions::Rotary) a.rotary = {c.rotary_base, c.rotary_fraction, c.rotary_layout};
    a.window = c.window;
    a.max_distance = c.relative_max_distance;
    a.alibi = c.positions == Positions::ALiBi;
  }
  return a;
}

FeedForward feed_forward_of(const Site& s) {
  const ModelConfig& c = s.config;
  return FeedForward({.activation = c.activation,
                      .width = c.width,
                      .hidden = c.hidden,
                      .bias = c.bias,
                      .dropout = c.dropout,
                      .norm_hidden = s.slots(Sublayer::FeedForward).norm_inner,
                      .norm = c.norm,
                      .mixture = c.mixture,
                      .name = s.name + ".mlp"},
                     s.init(Sublayer::FeedForward));
}

}  // namespace

Block::Block(const ModelConfig& c, const Depth& depth, int64_t layer, std::string name_)
    : name(std::move(name_)),
      attn_residual(residual_of({c, depth, layer, name}, Sublayer::SelfAttention)),
      attn(attention_config({c, depth, layer, name}, Sublayer::SelfAttention),
           scheme_init(c.scheme, depth, Sublayer::SelfAttention)),
      mlp(feed_forward_of({c, depth, layer, name})) {
  const Site site{c, depth, layer, name};
  if (depth.has_cross_attention()) {
    if (!site.parallel()) cross_residual.emplace(residual_of(site, Sublayer::CrossAttention));
    cross.emplace(attention_config(site, Sublayer::CrossAttention), site.init(Sublayer::CrossAttention));
  }
  if (!site.parallel()) mlp_residual.emplace(residual_of(site, Sublayer::FeedForward));
}

Stream Block::operator()(const Stream& stream, const AttentionMask& mask, const Memory& memory, const Context& context,
                         Where where) const {
  const auto attention = [&](const Tensor& x, const Tensor& residual = {}) {
    return tap(name, "hook_attn_out", attn.added(residual, x, mask, context, where), where);
  };
  const auto cross_attention = [&](const Tensor& x, const Tensor& residual = {}) {
    return tap(name, "hook_cross_out", cross->added(residual, x, memory.features, memory.mask, context, where), where);
  };
  const auto feed_forward = [&](const Tensor& x, const Tensor& residual = {}) {
    return tap(name, "hook_mlp_out", mlp.added(residual, x, context, where), where);
  };
  const auto all_at_once = [&](const Tensor& x) {
    const Tensor z = add(attention(x), feed_forward(x), where);
    return cross ? add(z, cross_attention(x), where) : z;
  };
  const auto tapped = [&](const char* hook, Stream s) {
    s.x = tap(name, hook, s.x, where);
    return s;
  };

  Stream s = tapped("hook_resid_pre", stream);
  if (!mlp_residual) return tapped("hook_resid_post", attn_residual(s, all_at_once, where));
  s = tapped("hook_resid_mid", attn_residual(s, attention, where));
  if (cross) s = tapped("hook_resid_cross", (*cross_residual)(s, cross_attention, where));
  return tapped("hook_resid_post", (*mlp_residual)(s, feed_forward, where));
}

}  // namespace tape::inline TAPE_ABI::nn
