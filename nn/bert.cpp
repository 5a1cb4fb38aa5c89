#include <tape/nn/bert.h>

namespace tape::inline TAPE_ABI::nn {

Bert::Bert(const ModelConfig& config, Seed seed)
    : config_(check(config, Architecture::EncoderOnly)),
      embedding_(config, Depth::encoder_only(config.layers)),
      stack_(config, Depth::encoder_only(config.layers)),
      head_bias_({config.vocab}, zeros_init(), false) {
  if (!config.tied) head_.emplace(config.width, config.vocab, false, head_init(config.scheme));
  initialize(*this, seed);
  census_.check(*this, "Bert");
}

Tensor Bert::features(const Sequence& sequence, const Context& context, Where where) const {
  const AttentionMask mask{.key_lengths = sequence.lengths, .segments = sequence.segments};
  return stack_(embedding_(sequence.ids, "Bert", context, where), mask, Memory{}, context, where);
}

Tensor Bert::head(const Tensor& features, Where where) const {
  return add_bias(head_ ? (*head_)(features, where) : embedding_.scores(features, where), head_bias_, where);
}

Tensor Bert::operator()(const Sequence& sequence, const Context& context, Where where) const {
  return head(features(sequence, context, where), where);
}

Bert Bert::clone() const {
  Bert copy(config_, Seed{});
  copy_values(parameters(*this), parameters(copy));
  return copy;
}

}  // namespace tape::inline TAPE_ABI::nn
