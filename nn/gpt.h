// GPT: a decoder-only Transformer language model.
#pragma once

#include <optional>

#include <tape/nn/input_embedding.h>
#include <tape/nn/module.h>
#include <tape/nn/sequence.h>
#include <tape/nn/stack.h>

namespace tape::inline TAPE_ABI::nn {

class GPT {
 public:
  /// Throws Error naming the field for a configuration that can not be built.
  GPT(const ModelConfig& config, Seed seed);

  /// ids (B, T), T ≤ context → logits (B, T, V): scores of the next token at each position.
  Tensor operator()(const Sequence& sequence, const Context& context, Where where = Where::here()) const;
  /// The stream before the head: (B, T, C).
  Tensor features(const Sequence& sequence, const Context& context, Where where = Where::here()) const;
  /// Scores from features: (…, C) → (…, V).
  Tensor head(const Tensor& features, Where where = Where::here()) const;

  const ModelConfig& config() const { return config_; }
  /// A second model with the same values.
  GPT clone() const;

  void visit(auto&& v) const {
    embedding_.visit(v);
    stack_.visit(v);
    v("head", head_);
  }

 private:
  Census census_;  // first: it counts the parameters constructed after it
  ModelConfig config_;
  InputEmbedding embedding_;
  Stack stack_;
  std::optional<Linear> head_;  // untied only
};

}  // namespace tape::inline TAPE_ABI::nn
