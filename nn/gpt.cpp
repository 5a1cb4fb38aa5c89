#include <tape/nn/gpt.h>

namespace tape::inline TAPE_ABI::nn {

GPT::GPT(const ModelConfig& config, Seed seed)
    : config_(check(config, Architecture::DecoderOnly)),
      embedding_(config, Depth::decoder_only(config.layers)),
      stack_(config, Depth::decoder_only(config.layers)) {
  if (!config.tied) head_.emplace(config.width, config.vocab, false, head_init(config.scheme));
  initialize(*this, seed);
  census_.check(*this, "GPT");
}

Tensor GPT::features(const Sequence& sequence, const Context& context, Where where) const {
  const AttentionMask mask{.causal = true, .key_lengths = sequence.lengths, .segments = sequence.segments};
  return stack_(embedding_(sequence.ids, "GPT", context, where), mask, Memory{}, context, where);
}

Tensor GPT::head(const Tensor& features, Where where) const {
  return head_ ? (*head_)(features, where) : embedding_.scores(features, where);
}

Tensor GPT::operator()(const Sequence& sequence, const Context& context, Where where) const {
  return head(features(sequence, context, where), where);
}

GPT GPT::clone() const {
  GPT copy(config_, Seed{});
  copy_values(parameters(*this), parameters(copy));
  return copy;
}

}  // namespace tape::inline TAPE_ABI::nn
