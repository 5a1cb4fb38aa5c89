#include <tape/nn/scheme.h>

#include <cmath>

namespace tape::inline TAPE_ABI::nn {

namespace {

// Mix-LN: the first quarter of the blocks, at least one, is Post-LN.
int64_t post_ln_layers(const Depth& depth) {
  return std::max<int64_t>(1, depth.layers() / 4);
}

// CaiT's first λ, smaller where it is deeper.
double first_layer_scale(int64_t layers) {
  if (layers <= 18) return 0.1;
  return layers <= 24 ? 1e-5 : 1e-6;
}

}  // namespace

Slots plan(Scheme scheme, const Depth& depth, int64_t layer, Sublayer sublayer) {
  const double alpha = scheme_constants(scheme, depth).alpha;
  const bool attention = sublayer != Sublayer::FeedForward;
  switch (scheme) {
    case Scheme::PostLN:  // norm(x + f(x))
      return {.norm_sum = true};
    case Scheme::PreLN:  // x + f(norm(x))
      return {.norm_input = true};
    case Scheme::DeepNorm:  // norm(α·x + f(x))
      return {.norm_sum = true, .skip = alpha};
    case Scheme::DeepNormArticle:  // norm(x + α·f(x))
      return {.norm_sum = true, .branch = alpha};
    case Scheme::SandwichLN:
    case Scheme::PeriLN:  // x + norm(f(norm(x)))
      return {.norm_input = true, .norm_output = true};
    case Scheme::SubLN:  // x + W·norm(h(norm(x))), where W is the branch's last projection; cross attention: x +
                         // f(norm(x))
      return {.norm_input = true, .norm_inner = sublayer != Sublayer::CrossAttention};
    case Scheme::NormFormer:  // x + norm(attention with scaled heads(norm(x))), x + W·norm(h(norm(x)))
      if (attention) return {.norm_input = true, .norm_output = true, .head_scale = true};
      return {.norm_input = true, .norm_inner = true};
    case Scheme::OLMo2:  // x + norm(f(x))
      return {.norm_output = true, .norm_query_key = attention ? QKNorm::FullWidth : QKNorm::None};
    case Scheme::Admin:  // norm(ω ⊙ x + f(x))
      return {.norm_sum = true, .skip_gain = {LearnedGain::Kind::columns, alpha}};
    case Scheme::MixLN:  // norm(x + f(x)) in the first blocks, x + f(norm(x)) in the others
      return plan(layer < post_ln_layers(depth) ? Scheme::PostLN : Scheme::PreLN, depth, layer, sublayer);
    case Scheme::LayerNormScaling:  // x + f(norm(x)/√l), l = 1, 2, …
      return {.norm_input = true, .input_scale = 1 / std::sqrt(static_cast<double>(layer + 1))};
    case Scheme::HybridNorm:  // y = x + attention of normed q, k, v; norm(y) + f(norm(y))
      if (attention) return {.norm_query_key = QKNorm::PerHead, .norm_value = true};
      return {.norm_stream = true};
    case Scheme::KEEL:  // norm(α·x + f(norm(x))), but for the first attention x + f(norm(x)), and α = 1 in the first
                        // block
      return {.norm_input = true,
              .norm_sum = layer > 0 || sublayer != Sublayer::SelfAttention,
              .skip = layer > 0 ? alpha : 1,
              .gain_only = true};
    case Scheme::ResiDual:  // norm(x + f(x)) beside s + f(x)
      return {.norm_sum = true, .second_stream = true};
    case Scheme::LayerScale:  // x + λ ⊙ f(norm(x))
      return {.norm_input = true, .branch_gain = {LearnedGain::Kind::columns, first_layer_scale(depth.layers())}};
    case Scheme::ReZero:  // x + α·f(x), α learned, from 0
      return {.branch_gain = {LearnedGain::Kind::factor, 0}};
    case Scheme::Parallel:  // x + attention(norm(x)) + feed-forward(norm(x))
      return {.norm_input = true, .parallel = true};
    case Scheme::TFixup:  // x + f(x)
      return {};
  }
  return {};
}

int64_t norms_in_block(Scheme scheme, const Depth& depth, int64_t layer) {
  int64_t count = 0;
  for (const Sublayer sublayer : {Sublayer::SelfAttention, Sublayer::CrossAttention, Sublayer::FeedForward}) {
    if (sublayer == Sublayer::CrossAttention && !depth.has_cross_attention()) continue;
    const Slots s = plan(scheme, depth, layer, sublayer);
    if (s.parallel && sublayer != Sublayer::SelfAttention) continue;  // it has no step of its own
    for (const bool norm : {s.norm_stream, s.norm_input, s.norm_output, s.norm_sum, s.norm_value, s.norm_inner}) {
      count += norm ? 1 : 0;
    }
    if (s.norm_query_key != QKNorm::None) count += 2;
  }
  return count;
}

int64_t norm_count(Scheme scheme, const Depth& depth) {
  const SchemeInfo& info = scheme_info(scheme);
  int64_t count = (info.embedding_norm ? 1 : 0) + (info.final_norm ? 1 : 0);
  for (int64_t layer = 0; layer < depth.layers(); ++layer) count += norms_in_block(scheme, depth, layer);
  return count;
}

}  // namespace tape::inline TAPE_ABI::nn
