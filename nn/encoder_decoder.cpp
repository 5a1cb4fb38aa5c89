#include <tape/nn/encoder_decoder.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

Depth encoder_depth(const ModelConfig& c) {
  return Depth::encoder_of(c.layers, decoder_layers(c));
}
Depth decoder_depth(const ModelConfig& c) {
  return Depth::decoder_of(c.layers, decoder_layers(c));
}

}  // namespace

EncoderDecoder::EncoderDecoder(const ModelConfig& config, Seed seed)
    : config_(check(config, Architecture::EncoderDecoder)),
      embedding_(config, decoder_depth(config)),
      encoder_(config, encoder_depth(config), "encoder."),
      decoder_(config, decoder_depth(config), "decoder.") {
  if (!config.tied) head_.emplace(config.width, config.vocab, false, head_init(config.scheme));
  initialize(*this, seed);
  census_.check(*this, "EncoderDecoder");
}

Memory EncoderDecoder::encode(const Sequence& source, const Context& context, Where where) const {
  const AttentionMask mask{.key_lengths = source.lengths, .segments = source.segments};
  return {encoder_(embedding_(source.ids, "EncoderDecoder", context, where), mask, Memory{}, context, where), mask};
}

Tensor EncoderDecoder::decode(const Memory& memory, const Sequence& target, const Context& context, Where where) const {
  const AttentionMask mask{.causal = true, .key_lengths = target.lengths, .segments = target.segments};
  Memory read = memory;  // where both are packed, each text reads the source of its own number
  const bool packed = target.segments && memory.mask.segments;
  read.mask.key_segments = packed ? memory.mask.segments : Ids();
  read.mask.segments = packed ? target.segments : Ids();
  return decoder_(embedding_(target.ids, "EncoderDecoder", context, where), mask, read, context, where);
}

Tensor EncoderDecoder::head(const Tensor& features, Where where) const {
  return head_ ? (*head_)(features, where) : embedding_.scores(features, where);
}

Tensor EncoderDecoder::operator()(const Sequence& source, const Sequence& target, const Context& context,
                                  Where where) const {
  return head(decode(encode(source, context, where), target, context, where), where);
}

EncoderDecoder EncoderDecoder::clone() const {
  EncoderDecoder copy(config_, Seed{});
  copy_values(parameters(*this), parameters(copy));
  return copy;
}

}  // namespace tape::inline TAPE_ABI::nn
