// InputEmbedding: tokens and their positions as the vectors that the first block sees.
#pragma once

#include <optional>

#include <tape/nn/context.h>
#include <tape/nn/embedding.h>
#include <tape/nn/model_config.h>

namespace tape::inline TAPE_ABI::nn {

class InputEmbedding {
 public:
  InputEmbedding(const ModelConfig& config, const Depth& depth);

  /// ids (B, T), T ≤ context → (B, T, C), after dropout. `model` begins the message for other ids.
  Tensor operator()(const Ids& ids, const char* model, const Context& context, Where where = Where::here()) const;
  /// Scores of all tokens from features (…, C) → (…, V), by the same weight: the tied head.
  Tensor scores(const Tensor& features, Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("token_embedding", tokens_);
    v("position_embedding", positions_);
  }

 private:
  int64_t context_;
  double scale_;
  double dropout_;
  Embedding tokens_;
  std::optional<Embedding> positions_;  // learned ones
  Tensor table_;                        // sinusoidal ones
};

}  // namespace tape::inline TAPE_ABI::nn
