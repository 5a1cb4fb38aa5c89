#include <tape/nn/model_config.h>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

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

void check(const ModelConfig& c, Architecture architecture) {
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
  if (!(c.dropout >= 0 && c.dropout < 1))
    throw Error(str(model, ": dropout must be at least 0 and below 1, it is ", c.dropout));
}

}  // namespace tape::inline TAPE_ABI::nn
