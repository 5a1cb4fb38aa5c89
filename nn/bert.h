// Bert: an encoder-only Transformer that fills in masked tokens (Devlin et al. 2018, arXiv 1810.04805).
#pragma once

#include <optional>

#include <tape/nn/input_embedding.h>
#include <tape/nn/module.h>
#include <tape/nn/sequence.h>
#include <tape/nn/stack.h>

namespace tape::inline TAPE_ABI::nn {

class Bert {
 public:
  /// Throws Error naming the field for a configuration that can not be built.
  Bert(const ModelConfig& config, Seed seed);

  /// ids (B, T), T ≤ context → logits (B, T, V): scores of the token that stands at each position. Every position sees
  /// all others of its sequence.
  Tensor operator()(const Sequence& sequence, const Context& context, Where where = Where::here()) const;
  /// The stream before the head: (B, T, C).
  Tensor features(const Sequence& sequence, const Context& context, Where where = Where::here()) const;
  /// Scores from features: (…, C) → (…, V), with a bias for each token.
  Tensor head(const Tensor& features, Where where = Where::here()) const;

  const ModelConfig& config() const { return config_; }
  /// A second model with the same values.
  Bert clone() const;

  void visit(auto&& v) const {
    embedding_.visit(v);
    stack_.visit(v);
    v("head", head_);
    v("head_bias", head_bias_);
  }

 private:
  Census census_;
  ModelConfig config_;
  InputEmbedding embedding_;
  Stack stack_;
  std::optional<Linear> head_;  // untied only
  Parameter head_bias_;         // (V)
};

}  // namespace tape::inline TAPE_ABI::nn
