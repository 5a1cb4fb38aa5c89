// The numbers of the schemes: gains α and β for a depth, and the first values of weights.
#include <cmath>

#include <tape/nn/scheme.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

// DeepNorm (Wang et al. 2022, section 4.1 and appendix B), in exact closed forms:
//
//   one stack of L blocks        α = (2L)^¼                         β = (8L)^-¼
//   encoder of N beside M        α = (N⁴M/27)^(1/16)                β = (N⁴M/27)^(-1/16)/√2
//   decoder of M                 α = (3M)^¼                         β = (12M)^-¼
//
// The paper rounds the encoder's to 0.81·(N⁴M)^(1/16) and 0.87·(N⁴M)^(-1/16): 27^(-1/16) = 0.8138, 27^(1/16)/√2 =
// 0.8689.
SchemeConstants deepnorm(const Depth& depth) {
  const auto n = static_cast<double>(depth.encoder);
  const auto m = static_cast<double>(depth.decoder);
  if (depth.architecture != Architecture::EncoderDecoder) {
    const auto layers = static_cast<double>(depth.layers());
    return {.alpha = std::pow(2 * layers, 0.25), .beta = std::pow(8 * layers, -0.25)};
  }
  if (depth.is_decoder) return {.alpha = std::pow(3 * m, 0.25), .beta = std::pow(12 * m, -0.25)};
  const double root = std::pow(n * n * n * n * m / 27, 1.0 / 16);
  return {.alpha = root, .beta = 1 / (root * std::sqrt(2.0))};
}

// The constants that the article prints, which follow from no depth.
SchemeConstants deepnorm_article(const Depth& depth) {
  return {.alpha = depth.is_decoder ? 0.8 : 1.0, .beta = depth.architecture == Architecture::EncoderOnly ? 0.2 : 0.1};
}

// Sub-LN (Wang et al. 2022, Magneto, table in section 3): the gain grows with depth.
//   one stack √ln 2L     encoder √(ln 3M · ln 2N / 3)     decoder √ln 3M
double sub_ln_gain(const Depth& depth) {
  const double of_decoder = std::log(3.0 * static_cast<double>(depth.decoder));
  if (depth.architecture != Architecture::EncoderDecoder)
    return std::sqrt(std::log(2.0 * static_cast<double>(depth.layers())));
  if (depth.is_decoder) return std::sqrt(of_decoder);
  return std::sqrt(of_decoder * std::log(2.0 * static_cast<double>(depth.encoder)) / 3);
}

// T-Fixup (Huang et al. 2020, section 3.3): 0.67·N^-¼ in an encoder, (9M)^-¼ in a decoder with cross attention.
double t_fixup_gain(const Depth& depth) {
  if (depth.has_cross_attention()) return std::pow(9.0 * static_cast<double>(depth.decoder), -0.25);
  return 0.67 * std::pow(static_cast<double>(depth.layers()), -0.25);
}

}  // namespace

SchemeConstants scheme_constants(Scheme scheme, const Depth& depth) {
  const auto sublayers = static_cast<double>(depth.sublayers());
  switch (scheme) {
    case Scheme::DeepNorm:
      return deepnorm(depth);
    case Scheme::DeepNormArticle:
      return deepnorm_article(depth);
    case Scheme::SubLN:
      return {.beta = sub_ln_gain(depth)};
    case Scheme::Admin:  // Liu et al. 2020, in the closed form of the authors' admin-torch
      return {.alpha = std::sqrt((sublayers + 1) / std::log(sublayers + 1) - 1)};
    case Scheme::KEEL:
      return {.alpha = sublayers};
    case Scheme::TFixup:
      return {.beta = t_fixup_gain(depth)};
    default:
      return {};
  }
}

WeightInit scheme_init(Scheme scheme, const Depth& depth, Sublayer sublayer) {
  if (!scheme_info(scheme).xavier) {
    // Layer norm scaling does without the factor, as its norms shrink what deep blocks write already, and so does
    // OLMo-2, as its norms undo any scale of what a branch writes; KEEL asks for no first values that depend on the
    // depth, and Mix-LN's authors use none.
    const bool alike = scheme == Scheme::LayerNormScaling || scheme == Scheme::OLMo2 || scheme == Scheme::KEEL ||
                       scheme == Scheme::MixLN;
    const double gain = alike ? 1 : gpt2_residual_gain(depth.sublayers());
    return {.base = normal_init(), .attention_out = gain, .down = gain};
  }
  double beta = scheme_constants(scheme, depth).beta;
  if (scheme == Scheme::SubLN && sublayer == Sublayer::CrossAttention) beta = 1;  // as the paper has it
  WeightInit init{.base = xavier_normal(), .value = beta, .attention_out = beta, .hidden = beta, .down = beta};
  if (scheme == Scheme::DeepNormArticle) init.query_key = beta;  // its text scales all weights of attention
  return init;
}

Init embedding_init(Scheme scheme, const Depth& depth, int64_t width) {
  const double gain =
      scheme == Scheme::TFixup ? std::pow(9.0 * static_cast<double>(std::max(depth.encoder, depth.decoder)), -0.25) : 1;
  return scheme_info(scheme).xavier ? normal_init(gain / std::sqrt(static_cast<double>(width))) : normal_init();
}

Init head_init(Scheme scheme) {
  return scheme_info(scheme).xavier ? xavier_normal() : normal_init();
}

}  // namespace tape::inline TAPE_ABI::nn
