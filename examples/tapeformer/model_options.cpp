#include "model_options.h"

#include <string_view>

#include "commands.h"

namespace tapeformer {

namespace {

namespace nn = tape::nn;
namespace tool = tape::tool;

void add_norm_options(CLI::App& command, nn::ModelConfig& m) {
  command.option_defaults()->group("Norm");
  add_choice(command, "--norm", m.norm.kind, norm_named, "Which norm: layer, rms, scale, dyt or derf");
  add_number(command, "--norm-eps", m.norm.eps, "Added to the variance or mean square; scale: the least root");
  add_choice(command, "--norm-eps-place", m.norm.eps_place, nn::eps_place,
             "inside the root, or outside: layer and rms");
  command
      .add_option_function<std::string>(
          "--norm-bias", [&m](const std::string& given) { m.norm.bias = given == "true"; },
          "true or false: a learned bias [layer, dyt, derf: true]")
      ->check(CLI::IsMember({"true", "false"}).description(""))
      ->type_name("BOOL");
  command.add_flag_function(
      "--no-norm-gain", [&m](int64_t) { m.norm.gain = false; }, "Without the learned gain");
  command.add_flag("--norm-unit-offset", m.norm.unit_offset, "The gain is 1 + weight, as in Gemma: layer, rms");
  add_number(command, "--norm-partial", m.norm.partial, "Share of columns that the statistic is taken from: rms");
  add_number(command, "--norm-alpha", m.norm.alpha, "First value of alpha: dyt and derf");
  command.add_flag("--embedding-norm", m.embedding_norm, "A norm before the first block, as in BERT");
}

void add_attention_options(CLI::App& command, nn::ModelConfig& m) {
  command.option_defaults()->group("Attention");
  add_number(command, "--heads", m.heads, "Attention heads of a block");
  add_number(command, "--kv-heads", m.kv_heads, "Heads of keys and values, shared by queries; 0: --heads");
  add_choice(command, "--positions", m.positions, nn::positions,
             "learned, sinusoidal, rotary, alibi, relative or none");
  add_number(command, "--rotary-base", m.rotary_base, "Longest wave of rotary positions, over 2 pi");
  add_number(command, "--rotary-fraction", m.rotary_fraction, "Share of each head's columns that they turn");
  add_choice(command, "--rotary-layout", m.rotary_layout, nn::rotary_layout,
             "Which columns they pair: halves or interleaved");
  add_number(command, "--relative-buckets", m.relative_buckets, "Numbers that relative positions learn for a head");
  add_number(command, "--relative-max-distance", m.relative_max_distance, "From here on they share the last");
  add_number(command, "--window", m.window, "Positions that attention sees; 0: all");
  add_number(command, "--softcap", m.softcap, "Bound of attention's scores; 0: none");
  add_number(command, "--attention-scale", m.attention_scale, "Factor on the scores; 0: 1/sqrt(head size)");
  add_choice(command, "--qk-norm", m.qk_norm, nn::qk_norm, "Norm of queries and keys: none, head or full");
}

void add_feed_forward_options(CLI::App& command, nn::ModelConfig& m) {
  command.option_defaults()->group("Feed-forward");
  add_choice(command, "--activation", m.activation, nn::activation,
             "relu, squared_relu, gelu, gelu_tanh, silu, swiglu, geglu or reglu");
  add_number(command, "--hidden", m.hidden, "Width inside; 0: 4 x --width (swiglu and its kin: 8/3 x)");
  add_number(command, "--experts", m.mixture.experts, "A mixture of so many networks; 0: one");
  add_number(command, "--experts-per-token", m.mixture.per_token, "How many of them a token uses, at most --experts");
  add_number(command, "--balance", m.mixture.balance,
             "Factor of the loss that spreads tokens over experts; padding\ncounts as tokens do");
}

}  // namespace

void add_model_options(CLI::App& command, tool::RunConfig& config) {
  nn::ModelConfig& m = config.model;
  command.option_defaults()->group("Model");
  add_choice(command, "--arch", config.architecture, tool::architecture,
             "gpt: what comes next; bert: what is hidden; encdec: a\ntarget for each source");
  add_number(command, "--layers", m.layers, "Blocks; with encdec those of the encoder");
  add_number(command, "--decoder-layers", m.decoder_layers, "Blocks of encdec's decoder; 0: as --layers");
  add_number(command, "--width", m.width, "Numbers for each character; a multiple of --heads");
  add_number(command, "--context", m.context, "Characters that the model sees at once; longer pairs are\nleft out");
  add_choice(command, "--scheme", m.scheme, scheme_named,
             "Where the norm sits: post, pre, deepnorm, sandwich, peri, sub-ln,\nadmin, keel, …; see tapeformer "
             "schemes");
  command.add_flag_function(
      "--untied", [&m](int64_t) { m.tied = false; }, "Give the head a weight of its own, not the embedding's");
  command.add_flag_function(
      "--no-bias", [&m](int64_t) { m.bias = false; }, "Linear layers without a bias");
  add_number(command, "--dropout", m.dropout, "Share of activations dropped in training");
  command.add_flag("--recompute", m.recompute, "Compute blocks again in backward: less memory, more time");
  add_norm_options(command, m);
  add_attention_options(command, m);
  add_feed_forward_options(command, m);
}

}  // namespace tapeformer
