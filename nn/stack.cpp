#include <tape/nn/stack.h>

#include <tape/core/checkpoint.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/probe.h>

namespace tape::inline TAPE_ABI::nn {

Stack::Stack(const ModelConfig& c, const Depth& depth, const std::string& prefix)
    : embedding_name_(prefix + "embed.ln"),
      final_name_(prefix + "ln_final"),
      recompute_(c.recompute),
      second_stream_(plan(c.scheme, depth, 0, Sublayer::SelfAttention).second_stream) {
  const SchemeInfo& scheme = scheme_info(c.scheme);
  if (c.embedding_norm || scheme.embedding_norm) embedding_norm_.emplace(c.norm, c.width);
  if (c.positions == Positions::RelativeBias)
    relative_bias_ = Parameter({c.relative_buckets, c.heads}, normal_init(), false);
  blocks_.reserve(static_cast<std::size_t>(depth.layers()));
  for (int64_t layer = 0; layer < depth.layers(); ++layer) {
    blocks_.emplace_back(c, depth, layer, str(prefix, "blocks.", layer));
  }
  if (scheme.final_norm) final_norm_.emplace(c.norm, c.width);
}

Tensor Stack::operator()(const Tensor& embedding, const AttentionMask& given, const Memory& memory,
                         const Context& context, Where where) const {
  AttentionMask mask = given;
  if (relative_bias_) mask.relative_bias = relative_bias_;
  Tensor x = embedding;
  if (embedding_norm_) x = tap(embedding_name_, "hook_normalized", (*embedding_norm_)(x, where), where);
  // A node of its own: so gradients of both streams are summed in one order, whether blocks are recomputed or not.
  Stream stream{x, second_stream_ ? scale(x, 1, where) : Tensor()};
  for (const Block& block : blocks_) stream = run(block, stream, mask, memory, context, where);
  if (context.cache()) context.cache()->advance(x.shape()[1]);
  if (!final_norm_) return stream.x;
  const Tensor normed = (*final_norm_)(second_stream_ ? stream.sum : stream.x, where);
  return tap(final_name_, "hook_normalized", second_stream_ ? add(stream.x, normed, where) : normed, where);
}

Stream Stack::run(const Block& block, const Stream& in, const AttentionMask& mask, const Memory& memory,
                  const Context& context, Where where) const {
  // The copy of `fork` gives a second run the same dropout masks as the first.
  const auto once = [&block, mask, memory_mask = memory.mask, fork = context.fork(), where](const Stream& s,
                                                                                            const Tensor& features) {
    return block(s, mask, Memory{features, memory_mask}, Context(fork), where);
  };
  if (!recompute_) return once(in, memory.features);
  // A checkpoint takes and gives one tensor: two streams go side by side.
  const auto packed = [once, two = second_stream_, where](const Tensor& x, const Tensor& features) {
    if (!two) return once({x}, features).x;
    const int64_t width = x.last() / 2;
    const Stream s = once({slice(x, -1, 0, width, where), slice(x, -1, width, 2 * width, where)}, features);
    return concatenate({s.x, s.sum}, -1, where);
  };
  const Tensor x = second_stream_ ? concatenate({in.x, in.sum}, -1, where) : in.x;
  const Tensor y = checkpoint(packed, x, memory.features, where);
  if (!second_stream_) return {y};
  const int64_t width = in.x.last();
  return {slice(y, -1, 0, width, where), slice(y, -1, width, 2 * width, where)};
}

}  // namespace tape::inline TAPE_ABI::nn
