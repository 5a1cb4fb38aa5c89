// Where the norm sits: the second of the two independent choices about normalisation (the first is in norm.h). A scheme
// is the rule of one residual step, with f a branch: attention or feed-forward.
//
//   Post-LN    norm(x + f(x))        Vaswani et al. 2017. The stream is normalised after every branch.
//   Pre-LN     x + f(norm(x))        Xiong et al. 2020. The skip connection stays clean, the stream grows with depth,
//                                    and one final norm before the head is part of the scheme.
//   DeepNorm   norm(α·x + f(x))      Wang et al. 2022. α > 1 is on the skip, never on f, and the weights of
//                                    feed-forward, value and output projections start with gain β < 1.
//
// plan() puts every scheme into the same few slots, and what walks the slots (residual.h, block.h) knows no scheme by
// name.
//
// To add a scheme: a name in Scheme, a case in plan(), a row in scheme_table.cpp, and, if it has any, a case with its
// constants in scheme_constants() and with its first values in scheme_init().
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <tape/nn/attention.h>
#include <tape/nn/init.h>

namespace tape::inline TAPE_ABI::nn {

enum class Scheme {
  PostLN,
  PreLN,
  DeepNorm,
  DeepNormArticle,
  SandwichLN,
  PeriLN,
  SubLN,
  NormFormer,
  OLMo2,
  Admin,
  MixLN,
  LayerNormScaling,
  HybridNorm,
  KEEL,
  ResiDual,
  LayerScale,
  ReZero,
  Parallel,
  TFixup
};
/// "post", "pre", "deepnorm", …: the names of the table. The second function throws Error for another name, listing
/// these.
std::string_view name_of(Scheme scheme);
Scheme scheme(std::string_view name);

enum class Architecture { EncoderOnly, DecoderOnly, EncoderDecoder };
enum class Sublayer { SelfAttention, CrossAttention, FeedForward };

/// How deep a model is, and which of its stacks of blocks is meant: what a scheme's constants follow from.
struct Depth {
  Architecture architecture = Architecture::DecoderOnly;
  int64_t encoder = 0;  ///< N, blocks of the encoder
  int64_t decoder = 0;  ///< M, blocks of the decoder
  bool is_decoder = true;

  static Depth encoder_only(int64_t n) { return {Architecture::EncoderOnly, n, 0, false}; }
  static Depth decoder_only(int64_t m) { return {Architecture::DecoderOnly, 0, m, true}; }
  static Depth encoder_of(int64_t n, int64_t m) { return {Architecture::EncoderDecoder, n, m, false}; }
  static Depth decoder_of(int64_t n, int64_t m) { return {Architecture::EncoderDecoder, n, m, true}; }

  bool has_cross_attention() const { return architecture == Architecture::EncoderDecoder && is_decoder; }
  /// L: blocks of this stack, and its residual steps: 2L, or 3L with cross attention.
  int64_t layers() const { return is_decoder ? decoder : encoder; }
  int64_t sublayers() const { return (has_cross_attention() ? 3 : 2) * layers(); }
};

/// The numbers of a scheme at a depth; 1 and 1 where it has none.
struct SchemeConstants {
  double alpha = 1;  ///< gain of the skip connection (of the branch: deepnorm-article; start of a learned gain: Admin)
  double beta = 1;   ///< factor on the first values of weights, see scheme_init
};
SchemeConstants scheme_constants(Scheme scheme, const Depth& depth);

/// A gain that is learned: none, one factor for the whole path, or one for each of its columns.
struct LearnedGain {
  enum class Kind { none, factor, columns };
  Kind kind = Kind::none;
  double start = 1;

  bool operator==(const LearnedGain&) const = default;
};

/// What happens in one residual step, in this order:
///
///   x ← norm(x)                            norm_stream
///   z = f(input_scale·norm(x))             norm_input; inside f: norms of query, key and value, norm_inner, head_scale
///   z ← branch·norm(z)                     norm_output; branch, branch_gain
///   x ← norm(skip·x + z)                   norm_sum; skip, skip_gain
struct Slots {
  bool norm_stream = false;
  bool norm_input = false;
  bool norm_output = false;
  bool norm_sum = false;
  QKNorm norm_query_key = QKNorm::None;  ///< attention: a norm of queries and keys
  bool norm_value = false;               ///< attention: a norm of values, of each head
  bool norm_inner = false;               ///< before the branch's last projection: of all heads, or inside feed-forward
  bool head_scale = false;               ///< attention: a learned factor for each head, before the last projection
  double input_scale = 1;
  double skip = 1;
  double branch = 1;
  LearnedGain skip_gain = {};
  LearnedGain branch_gain = {};
  bool gain_only = false;      ///< the norms of the step have no bias
  bool second_stream = false;  ///< a second stream sums the branches without any norm
  bool parallel = false;       ///< one step of the block has all its branches, on one input

  bool operator==(const Slots&) const = default;
};

/// The slots of a block's sublayer; `layer` counts from 0.
Slots plan(Scheme scheme, const Depth& depth, int64_t layer, Sublayer sublayer);

/// The first values of a sublayer's weights. Schemes that came with Xavier values have these, times β where the scheme
/// asks for it; the others have those of GPT-2: normal 0.02, with 1/√(2L) (in a decoder with cross attention 1/√(3M))
/// on the projections that write to the stream.
WeightInit scheme_init(Scheme scheme, const Depth& depth, Sublayer sublayer);
/// The first values of embeddings (rows, width): normal with 0.02, or beside Xavier values 1/√width, with which a tied
/// head starts with scores of unit variance; T-Fixup scales these down.
Init embedding_init(Scheme scheme, const Depth& depth, int64_t width);
/// Those of a head with a weight of its own: the scheme's distribution with gain 1.
Init head_init(Scheme scheme);

/// One row of the table of schemes: all that there is to know beside the rule itself.
struct SchemeInfo {
  Scheme scheme;
  std::string_view name;       ///< on the command line
  std::string_view title;      ///< as papers write it
  std::string_view formula;    ///< of one residual step
  std::string_view constants;  ///< for L blocks, or N and M of encoder and decoder
  bool embedding_norm;         ///< a norm before the first block
  bool final_norm;             ///< a norm after the last block
  bool xavier;                 ///< first values: Xavier, or those of GPT-2
  std::string_view source;
  std::string_view choice;  ///< what the source leaves open, or another one does otherwise, and what is done here
};
std::span<const SchemeInfo> scheme_table();
const SchemeInfo& scheme_info(Scheme scheme);

/// How many norms one pass through block `layer` computes, as its plan says, and one through the whole stack.
int64_t norms_in_block(Scheme scheme, const Depth& depth, int64_t layer);
int64_t norm_count(Scheme scheme, const Depth& depth);

}  // namespace tape::inline TAPE_ABI::nn
