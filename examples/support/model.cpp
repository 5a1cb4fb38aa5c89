#include <tape/examples/support/model.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

using Models = std::variant<nn::GPT, nn::Bert, nn::EncoderDecoder>;

Models make(nn::Architecture architecture, const nn::ModelConfig& config, Seed seed) {
  switch (architecture) {
    case nn::Architecture::DecoderOnly:
      return Models(std::in_place_type<nn::GPT>, config, seed);
    case nn::Architecture::EncoderOnly:
      return Models(std::in_place_type<nn::Bert>, config, seed);
    case nn::Architecture::EncoderDecoder:
      return Models(std::in_place_type<nn::EncoderDecoder>, config, seed);
  }
  throw Error("Model: there is no such architecture");
}

struct Logits {
  const Batch& batch;
  const nn::Context& context;

  Tensor operator()(const nn::EncoderDecoder& model) const {
    return model({batch.source, batch.source_lengths}, {batch.input, batch.lengths}, context);
  }
  Tensor operator()(const auto& model) const { return model({batch.input, batch.lengths}, context); }
};

}  // namespace

Model::Model(nn::Architecture architecture, const nn::ModelConfig& config, Seed seed)
    : model_(make(architecture, config, seed)) {}

Tensor Model::operator()(const Batch& batch, const nn::Context& context) const {
  return std::visit(Logits{batch, context}, model_);
}

}  // namespace tape::inline TAPE_ABI::tool
