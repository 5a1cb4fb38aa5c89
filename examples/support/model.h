// Model: one of the three architectures, as a run uses it.
#pragma once

#include <variant>

#include <tape/examples/support/batch.h>
#include <tape/nn/bert.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/nn/gpt.h>

namespace tape::inline TAPE_ABI::tool {

class Model {
 public:
  /// Throws Error naming the field for a configuration that can not be built.
  Model(nn::Architecture architecture, const nn::ModelConfig& config, Seed seed);

  /// Scores (B, T, V) for the targets of a batch.
  Tensor operator()(const Batch& batch, const nn::Context& context) const;
  /// The model itself. Throws std::bad_variant_access when it is of another architecture.
  template <class Architecture>
  const Architecture& as() const {
    return std::get<Architecture>(model_);
  }
  void visit(auto&& v) const {
    std::visit([&](const auto& model) { model.visit(v); }, model_);
  }

 private:
  std::variant<nn::GPT, nn::Bert, nn::EncoderDecoder> model_;
};

}  // namespace tape::inline TAPE_ABI::tool
