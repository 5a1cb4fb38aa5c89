// EncoderDecoder: the Transformer of "Attention is all you need" (Vaswani et al. 2017, arXiv 1706.03762), which writes
// one sequence while it reads another, such as a translation.
#pragma once

#include <optional>

#include <tape/nn/input_embedding.h>
#include <tape/nn/module.h>
#include <tape/nn/sequence.h>
#include <tape/nn/stack.h>

namespace tape::inline TAPE_ABI::nn {

/// Encoder, decoder and head share one token embedding and one vocabulary, as in section 3.4 of the paper. Encoder and
/// decoder have a place of norms each: the constants of a scheme differ between them, and so do final norms.
class EncoderDecoder {
 public:
  /// Throws Error naming the field for a configuration that can not be built.
  EncoderDecoder(const ModelConfig& config, Seed seed);

  /// source (B, S), target (B, T) → logits (B, T, V): scores of the target's next token at each position, which sees
  /// the whole source and the target up to itself.
  Tensor operator()(const Sequence& source, const Sequence& target, const Context& context,
                    Where where = Where::here()) const;
  /// What the decoder reads, with its padding hidden.
  Memory encode(const Sequence& source, const Context& context, Where where = Where::here()) const;
  /// The decoder's stream before the head: (B, T, C).
  Tensor decode(const Memory& memory, const Sequence& target, const Context& context,
                Where where = Where::here()) const;
  /// Scores from features: (…, C) → (…, V).
  Tensor head(const Tensor& features, Where where = Where::here()) const;

  const ModelConfig& config() const { return config_; }
  /// A second model with the same values.
  EncoderDecoder clone() const;

  void visit(auto&& v) const {
    embedding_.visit(v);
    v("encoder", encoder_);
    v("decoder", decoder_);
    v("head", head_);
  }

 private:
  Census census_;
  ModelConfig config_;
  InputEmbedding embedding_;
  Stack encoder_;
  Stack decoder_;
  std::optional<Linear> head_;  // untied only
};

}  // namespace tape::inline TAPE_ABI::nn
