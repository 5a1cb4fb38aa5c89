#include <tape/examples/lab/variant_gpt.h>

#include <tape/examples/lab/measures.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

nn::ModelConfig post_ln(nn::ModelConfig config) {
  config.scheme = nn::Scheme::PostLN;
  return config;
}

}  // namespace

VariantGPT::VariantGPT(nn::ModelConfig config, const Gains& gains, Seed seed)
    : embedding_(post_ln(config), nn::Depth::decoder_only(config.layers)),
      head_(config.width, config.vocab, false, nn::xavier_normal()) {
  config = post_ln(config);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    blocks_.emplace_back(config, nn::Depth::decoder_only(config.layers), layer, str("blocks.", layer));
    for (nn::Residual* step : {&blocks_.back().attn_residual, &*blocks_.back().mlp_residual}) {
      step->slots.skip = gains.skip;
      step->slots.branch = gains.branch;
    }
  }
  nn::name_parameters(*this);
  const ParameterList list = nn::parameters(*this);
  for (const LeafPtr& leaf : list) {
    if (!leaf->name.starts_with("blocks.") || !leaf->decay) continue;
    leaf->init.gain = gains.beta;
    if (leaf->name.ends_with("qkv.weight")) {
      const double query_key = gains.all_weights ? gains.beta : 1;
      leaf->init.row_gains = {query_key, query_key, gains.beta};
    }
  }
  start_alike(list, seed);
}

Tensor VariantGPT::operator()(const Ids& ids, const nn::Context& context) const {
  Tensor x = embedding_(ids, "VariantGPT", context);
  for (const nn::Block& block : blocks_) x = block(x, {.causal = true}, context);
  return head_(x);
}

}  // namespace tape::inline TAPE_ABI::lab
