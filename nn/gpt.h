// GPT: a decoder-only Transformer language model.
#pragma once

#include <optional>
#include <vector>

#include <tape/nn/block.h>
#include <tape/nn/embedding.h>
#include <tape/nn/module.h>
#include <tape/nn/positions.h>

namespace tape::inline TAPE_ABI::nn {

struct GPTConfig {
  int64_t vocab = 0;
  int64_t context = 64;  ///< longest sequence
  int64_t layers = 4;
  int64_t heads = 4;
  int64_t width = 128;
  int64_t hidden = 0;  ///< feed-forward width; 0 for default_hidden(activation, width)
  Scheme scheme = Scheme::PreLN;
  NormConfig norm = NormKind::Layer;
  Activation activation = Activation::GELU;
  Positions positions = Positions::Learned;
  double rotary_base = 10000;
  bool tied = true;  ///< the head shares the token embedding's weight
  bool bias = true;  ///< in linear layers
  double dropout = 0;
  bool recompute = false;  ///< keep nothing inside blocks for backward: less memory, a third more time
};

class GPT {
 public:
  /// Throws Error naming the field for a configuration that can not be built.
  GPT(const GPTConfig& config, Seed seed);

  /// ids (B, T), T ≤ context → logits (B, T, V): scores of the next token at each position.
  Tensor operator()(const Ids& ids, const Context& context, Where where = Where::here()) const;
  /// The stream before the head: (B, T, C).
  Tensor features(const Ids& ids, const Context& context, Where where = Where::here()) const;
  /// Scores from features: (…, C) → (…, V).
  Tensor head(const Tensor& features, Where where = Where::here()) const;

  const GPTConfig& config() const { return config_; }
  /// A second model with the same values.
  GPT clone() const;

  void visit(auto&& v) const {
    v("token_embedding", token_embedding_);
    v("position_embedding", position_embedding_);
    v("blocks", blocks_);
    v("final_norm", final_norm_);
    v("head", head_);
  }

 private:
  Census census_;  // first: it counts the parameters constructed after it
  GPTConfig config_;
  Embedding token_embedding_;
  std::optional<Embedding> position_embedding_;
  Tensor position_table_;  // sinusoidal positions
  std::vector<Block> blocks_;
  std::optional<Norm> final_norm_;
  std::optional<Linear> head_;  // untied only
};

}  // namespace tape::inline TAPE_ABI::nn
