#include <tape/nn/gpt.h>

#include <cmath>

#include <tape/core/checkpoint.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/probe.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

GPTConfig checked(const GPTConfig& c) {
  const auto positive = [](const char* field, int64_t value) {
    if (value < 1) throw Error(str("GPT: ", field, " must be at least 1, it is ", value));
  };
  positive("vocab", c.vocab);
  positive("context", c.context);
  positive("layers", c.layers);
  positive("heads", c.heads);
  positive("width", c.width);
  if (c.hidden < 0) throw Error(str("GPT: hidden must not be negative, it is ", c.hidden));
  if (!(c.dropout >= 0 && c.dropout < 1))
    throw Error(str("GPT: dropout must be at least 0 and below 1, it is ", c.dropout));
  return c;
}

// Sinusoidal tables have entries of size 1, so embeddings are scaled up to them (Vaswani et al. 2017, section 3.4).
double embedding_scale(const GPTConfig& c) {
  return c.positions == Positions::Sinusoidal ? std::sqrt(static_cast<double>(c.width)) : 1;
}

Init embedding_init(const GPTConfig& c) {
  // Beside Xavier weights 1/√C, with which a tied head starts with scores of unit variance.
  return c.scheme == Scheme::PreLN ? normal_init() : normal_init(1 / std::sqrt(static_cast<double>(c.width)));
}

// x (B, T, C) + rows (T, C) on each sequence.
Tensor add_rows(const Tensor& x, const Tensor& rows, Where where) {
  const Tensor flat = add_bias(reshape(x, {x.shape()[0], -1}, where), reshape(rows, {rows.size()}, where), where);
  return reshape(flat, x.shape(), where);
}

}  // namespace

GPT::GPT(const GPTConfig& config, Seed seed)
    : config_(checked(config)), token_embedding_(config.vocab, config.width, embedding_init(config)) {
  const WeightInit init = scheme_init(config.scheme, config.layers);
  if (config.positions == Positions::Learned) {
    position_embedding_.emplace(config.context, config.width, embedding_init(config));
  } else if (config.positions == Positions::Sinusoidal) {
    position_table_ = sinusoidal_table(config.context, config.width);
  }
  blocks_.reserve(static_cast<std::size_t>(config.layers));
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    blocks_.emplace_back(BlockConfig{.layers = config.layers,
                                     .width = config.width,
                                     .heads = config.heads,
                                     .hidden = config.hidden,
                                     .scheme = config.scheme,
                                     .norm = config.norm,
                                     .activation = config.activation,
                                     .bias = config.bias,
                                     .dropout = config.dropout,
                                     .rotary_base = config.positions == Positions::Rotary ? config.rotary_base : 0,
                                     .name = str("blocks.", layer)},
                         init);
  }
  if (scheme_constants(config.scheme, config.layers).final_norm) final_norm_.emplace(config.norm, config.width);
  if (!config.tied) head_.emplace(config.width, config.vocab, false, init.with_gain(1));
  initialize(*this, seed);
  census_.check(*this, "GPT");
}

Tensor GPT::features(const Ids& ids, const Context& context, Where where) const {
  if (ids.shape().rank() != 2 || ids.shape()[1] < 1 || ids.shape()[1] > config_.context) {
    throw Error(str("GPT: ids ", ids.shape(), " must be (batch, length) with a length of 1 to ", config_.context,
                    ", the model's context"),
                where);
  }
  const int64_t length = ids.shape()[1];
  Tensor x = tap("", "hook_embed", token_embedding_(ids, where), where);
  if (embedding_scale(config_) != 1) x = scale(x, embedding_scale(config_), where);
  if (config_.positions != Positions::Rotary) {
    const Tensor table = position_embedding_ ? position_embedding_->weight.value() : position_table_;
    x = add_rows(x, tap("", "hook_pos_embed", slice(table, 0, 0, length, where), where), where);
  }
  x = dropout(x, config_.dropout, context, where);
  for (const Block& block : blocks_) {
    // The copy of `fork` gives a second run the same dropout masks as the first.
    const auto run = [&block, fork = context.fork(), where](const Tensor& input) {
      return block(input, {.causal = true}, Context(fork), where);
    };
    x = config_.recompute ? checkpoint(run, x, nullptr, where) : run(x);
  }
  return final_norm_ ? tap("ln_final", "hook_normalized", (*final_norm_)(x, where), where) : x;
}

Tensor GPT::head(const Tensor& features, Where where) const {
  return head_ ? (*head_)(features, where) : linear(features, token_embedding_.weight, {}, where);
}

Tensor GPT::operator()(const Ids& ids, const Context& context, Where where) const {
  return head(features(ids, context, where), where);
}

GPT GPT::clone() const {
  GPT copy(config_, Seed{});
  copy_values(parameters(*this), parameters(copy));
  return copy;
}

}  // namespace tape::inline TAPE_ABI::nn
