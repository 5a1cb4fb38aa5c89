#include <tape/nn/model_config.h>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

// Every combination that is refused, with the reason: the one place. What a norm or a form of attention has no use for
// is refused where it is built.
constexpr Refusal refusals[] = {
    {[](const ModelConfig& c) { return c.recompute && c.mixture.experts > 0 && c.mixture.balance > 0; },
     "recompute with a mixture of experts that has a balance loss",
     "a block that is computed again in backward can not hand that loss on: set its factor (--balance) to 0 or leave "
     "out recompute"},
    {[](const ModelConfig& c) {
       const bool relies_on_scale = c.scheme == Scheme::DeepNorm || c.scheme == Scheme::DeepNormArticle ||
                                    c.scheme == Scheme::Admin || c.scheme == Scheme::KEEL;
       return relies_on_scale && !is_scale_invariant(c.norm.kind);
     },
     "deepnorm, deepnorm-article, admin and keel with norm dyt or derf",
     "this scheme weighs skip against branch before a norm that has to undo the scale of their sum, which dyt and derf "
     "do not: choose layer, rms or scale, or another scheme"},
    {[](const ModelConfig& c) {
       return c.embedding_norm && (c.scheme == Scheme::ReZero || c.scheme == Scheme::TFixup);
     },
     "rezero and t-fixup with embedding_norm", "this scheme is about doing without norms: leave out embedding_norm"},
};

std::string_view model_name(Architecture architecture) {
  switch (architecture) {
    case Architecture::EncoderOnly:
      return "Bert";
    case Architecture::DecoderOnly:
      return "GPT";
    case Architecture::EncoderDecoder:
      return "EncoderDecoder";
  }
  return "";
}

}  // namespace

std::span<const Refusal> refusal_table() {
  return refusals;
}

const Refusal* refusal_of(const ModelConfig& config) {
  for (const Refusal& refusal : refusals) {
    if (refusal.holds(config)) return &refusal;
  }
  return nullptr;
}

const ModelConfig& check(const ModelConfig& c, Architecture architecture) {
  const std::string_view model = model_name(architecture);
  const auto at_least = [model](const char* field, int64_t value, int64_t least) {
    if (value < least) throw Error(str(model, ": ", field, " must be at least ", least, ", it is ", value));
  };
  at_least("vocab", c.vocab, 1);
  at_least("context", c.context, 1);
  at_least("layers", c.layers, 1);
  at_least("heads", c.heads, 1);
  at_least("width", c.width, 1);
  if (c.hidden < 0) throw Error(str(model, ": hidden must not be negative, it is ", c.hidden));
  at_least("decoder_layers", c.decoder_layers, 0);
  if (c.positions == Positions::RelativeBias) {
    // A causal stack has buckets for one side, the others for two; half of a side's are exact (ops/attention_bias.h).
    const bool two_sided = architecture != Architecture::DecoderOnly;
    const bool causal = architecture != Architecture::EncoderOnly;
    at_least("relative_buckets", c.relative_buckets, two_sided ? 4 : 2);
    if (two_sided && c.relative_buckets % 2 != 0)
      throw Error(str(model, ": relative_buckets must be even, half for each side, it is ", c.relative_buckets));
    at_least("relative_max_distance", c.relative_max_distance, c.relative_buckets / (causal ? 2 : 4) + 1);
  }
  const auto zero_or_moderate = [model](const char* field, double value) {
    if (value != 0 && !(value >= 1e-6 && value <= 1e6))
      throw Error(str(model, ": ", field, " must be 0 or from 1e-6 to 1e6, it is ", value));
  };
  zero_or_moderate("attention_scale", c.attention_scale);
  zero_or_moderate("softcap", c.softcap);
  if (const Refusal* refusal = refusal_of(c)) {
    throw Error(str(model, ": ", refusal->combination, ": ", refusal->reason));
  }
  if (!(c.dropout >= 0 && c.dropout < 1))
    throw Error(str(model, ": dropout must be at least 0 and below 1, it is ", c.dropout));
  return c;
}

}  // namespace tape::inline TAPE_ABI::nn
