// ModelConfig: the choices that a model is built from. One type for all architectures, so that a block, a stack and the
// command line speak of the same things; what an architecture has no use for is ignored by it, and what can not work
// together is refused by check().
#pragma once

#include <span>

#include <tape/nn/attention.h>
#include <tape/nn/feed_forward.h>
#include <tape/nn/norm.h>
#include <tape/nn/positions.h>
#include <tape/nn/scheme.h>

namespace tape::inline TAPE_ABI::nn {

struct ModelConfig {
  int64_t vocab = 0;
  int64_t context = 64;        ///< longest sequence
  int64_t layers = 4;          ///< blocks; in an encoder-decoder model those of the encoder
  int64_t decoder_layers = 0;  ///< encoder-decoder only: blocks of the decoder; 0 for as many as the encoder has
  int64_t heads = 4;
  int64_t kv_heads = 0;  ///< heads of keys and values, a divisor of heads; 0: as many
  int64_t width = 128;
  int64_t hidden = 0;  ///< feed-forward width; 0 for default_hidden(activation, width)
  Scheme scheme = Scheme::PreLN;
  NormConfig norm = NormKind::Layer;
  bool embedding_norm = false;    ///< a norm before the first block, as in BERT, also where the scheme has none
  QKNorm qk_norm = QKNorm::None;  ///< where the scheme has none of its own
  Activation activation = Activation::GELU;
  MixtureConfig mixture = {};  ///< experts instead of one feed-forward network
  Positions positions = Positions::Learned;
  double rotary_base = 10000;
  double rotary_fraction = 1;  ///< of each head's columns that are turned
  RotaryLayout rotary_layout = RotaryLayout::halves;
  int64_t relative_buckets = 32;        ///< of relative positions: rows of each stack's table
  int64_t relative_max_distance = 128;  ///< from here on keys share the last bucket
  int64_t window = 0;                   ///< self-attention sees so many positions; 0: all
  double softcap = 0;                   ///< bound of attention's scores; 0: none
  double attention_scale = 0;           ///< factor on attention's scores; 0: 1/√(head size). T5 has 1
  bool tied = true;                     ///< the head shares the token embedding's weight
  bool bias = true;                     ///< in linear layers
  double dropout = 0;
  bool recompute = false;  ///< keep nothing inside blocks for backward: less memory, a third more time
};

/// A combination that is refused: it makes no sense, or no paper has a formula for it.
struct Refusal {
  bool (*holds)(const ModelConfig& config);
  const char* combination;
  const char* reason;
};
/// All of them; the one that holds for this configuration, or null.
std::span<const Refusal> refusal_table();
const Refusal* refusal_of(const ModelConfig& config);

/// The configuration; throws Error that names the model and the field when that architecture can not be built of it.
const ModelConfig& check(const ModelConfig& config, Architecture architecture);

/// M: blocks of the decoder of an encoder-decoder model.
inline int64_t decoder_layers(const ModelConfig& c) {
  return c.decoder_layers > 0 ? c.decoder_layers : c.layers;
}

}  // namespace tape::inline TAPE_ABI::nn
