// First values under every residual scheme, measured on the drawn weights of whole models: which weights a scheme's β
// reaches, that queries and keys keep gain 1 also where they are packed with values, and the sizes of embeddings.
#include <cmath>

#include "catch.h"
#include "support/scheme_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Scheme;

constexpr int64_t width = 48;
constexpr int64_t hidden = 4 * width;
constexpr int64_t n = 6;   // blocks of a single stack, or of the encoder
constexpr int64_t m = 12;  // of the decoder
constexpr int64_t vocab = 60;

nn::ModelConfig config_of(Scheme scheme) {
  return {.vocab = vocab,
          .context = 40,
          .layers = n,
          .decoder_layers = m,
          .heads = 2,
          .width = width,
          .scheme = scheme,
          .norm = nn::NormKind::RMS,
          .tied = false};
}

// Standard deviation of the rows begin … end-1, around 0.
double stddev_of(const LeafPtr& leaf, int64_t begin, int64_t end) {
  const int64_t columns = leaf->shape.last();
  double squares = 0;
  for (int64_t i = begin * columns; i < end * columns; ++i) {
    squares += static_cast<double>(leaf->data()[i]) * leaf->data()[i];
  }
  return std::sqrt(squares / static_cast<double>((end - begin) * columns));
}

// The standard deviation of a normal's n draws is right to four standard errors.
void check_rows(const ParameterList& list, const std::string& name, int64_t begin, int64_t end, double expected) {
  const LeafPtr leaf = parameter_named(list, name);
  INFO(name << ", rows " << begin << " to " << end);
  const auto count = static_cast<double>((end - begin) * leaf->shape.last());
  CHECK(stddev_of(leaf, begin, end) == Approx(expected).epsilon(4 / std::sqrt(2 * count)));
}
void check_all(const ParameterList& list, const std::string& name, double expected) {
  check_rows(list, name, 0, parameter_named(list, name)->shape[0], expected);
}

// Standard deviations of a block's weights by role.
struct Spread {
  double query_key, value, attention_out, up, down;
};
Spread xavier(double query_key, double beta) {
  const double square = std::sqrt(2.0 / (width + width));
  const double wide = std::sqrt(2.0 / (width + hidden));
  return {query_key * square, beta * square, beta * square, beta * wide, beta * wide};
}
Spread gpt2(double gain) {
  return {0.02, 0.02, 0.02 * gain, 0.02, 0.02 * gain};
}

void check_self_attention(const ParameterList& list, const std::string& block, const Spread& s) {
  check_rows(list, block + "attn.qkv.weight", 0, width, s.query_key);
  check_rows(list, block + "attn.qkv.weight", width, 2 * width, s.query_key);
  check_rows(list, block + "attn.qkv.weight", 2 * width, 3 * width, s.value);
  check_all(list, block + "attn.out.weight", s.attention_out);
}
void check_cross_attention(const ParameterList& list, const std::string& block, const Spread& s) {
  check_all(list, block + "cross.query.weight", s.query_key);
  check_rows(list, block + "cross.key_value.weight", 0, width, s.query_key);
  check_rows(list, block + "cross.key_value.weight", width, 2 * width, s.value);
  check_all(list, block + "cross.out.weight", s.attention_out);
}
void check_feed_forward(const ParameterList& list, const std::string& block, const Spread& s) {
  check_all(list, block + "mlp.up.weight", s.up);
  check_all(list, block + "mlp.down.weight", s.down);
}

// What a scheme asks for: in a single stack, in the encoder and decoder of 6 and 12 blocks, and in cross attention.
struct Expected {
  Spread encoder_only, decoder_only, encoder, decoder, cross;
};
Expected expected_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::PostLN:
    case Scheme::Admin:
    case Scheme::ResiDual:
    case Scheme::ReZero:
      return {xavier(1, 1), xavier(1, 1), xavier(1, 1), xavier(1, 1), xavier(1, 1)};
    case Scheme::DeepNorm:
      return {xavier(1, 0.379917843), xavier(1, 0.379917843), xavier(1, 0.475289912), xavier(1, 0.288675135),
              xavier(1, 0.288675135)};
    case Scheme::DeepNormArticle:
      return {xavier(0.2, 0.2), xavier(0.1, 0.1), xavier(0.1, 0.1), xavier(0.1, 0.1), xavier(0.1, 0.1)};
    case Scheme::SubLN:
      return {xavier(1, 1.576358668), xavier(1, 1.576358668), xavier(1, 1.722857127), xavier(1, 1.893018473),
              xavier(1, 1)};
    case Scheme::TFixup:
      return {xavier(1, 0.428091880), xavier(1, 0.428091880), xavier(1, 0.428091880), xavier(1, 0.310201620),
              xavier(1, 0.310201620)};
    case Scheme::LayerNormScaling:
    case Scheme::OLMo2:
    case Scheme::KEEL:
    case Scheme::MixLN:
      return {gpt2(1), gpt2(1), gpt2(1), gpt2(1), gpt2(1)};
    default:  // 1/√12 and, for the decoder's 36 branches, 1/6
      return {gpt2(0.288675135), gpt2(0.288675135), gpt2(0.288675135), gpt2(1.0 / 6), gpt2(1.0 / 6)};
  }
}

bool has_xavier(Scheme scheme) {
  const Spread s = expected_of(scheme).decoder_only;
  return s.up != s.query_key;  // a square matrix and a wide one differ
}

}  // namespace

TEST_CASE(
    "A scheme's β reaches feed-forward, value and output weights, while queries and keys keep gain 1, but for the "
    "article",
    "[nn][init][scheme][slow]") {
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    INFO(row.name);
    const Expected expected = expected_of(row.scheme);
    const nn::ModelConfig config = config_of(row.scheme);
    const nn::GPT gpt(config, Seed{3});
    const nn::Bert bert(config, Seed{4});
    const nn::EncoderDecoder both(config, Seed{5});
    for (const char* block : {"blocks.0.", "blocks.5."}) {
      check_self_attention(nn::parameters(gpt), block, expected.decoder_only);
      check_feed_forward(nn::parameters(gpt), block, expected.decoder_only);
      check_self_attention(nn::parameters(bert), block, expected.encoder_only);
      check_feed_forward(nn::parameters(bert), block, expected.encoder_only);
      check_self_attention(nn::parameters(both), str("encoder.", block), expected.encoder);
      check_feed_forward(nn::parameters(both), str("encoder.", block), expected.encoder);
      check_self_attention(nn::parameters(both), str("decoder.", block), expected.decoder);
      check_cross_attention(nn::parameters(both), str("decoder.", block), expected.cross);
      check_feed_forward(nn::parameters(both), str("decoder.", block), expected.decoder);
    }
  }
}

TEST_CASE("SwiGLU's gate starts as its other half does under every scheme", "[nn][init][scheme]") {
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    INFO(row.name);
    nn::ModelConfig config = config_of(row.scheme);
    config.activation = nn::Activation::SwiGLU;
    config.hidden = hidden;
    const nn::GPT gpt(config, Seed{6});
    const double expected = expected_of(row.scheme).decoder_only.up;
    check_all(nn::parameters(gpt), "blocks.2.mlp.up.weight", expected);
    check_all(nn::parameters(gpt), "blocks.2.mlp.gate.weight", expected);
  }
}

TEST_CASE("Embeddings start with 0.02, beside Xavier weights with 1/√C, and T-Fixup's are scaled by (9L)^-¼",
          "[nn][init][scheme][slow]") {
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    INFO(row.name);
    const nn::ModelConfig config = config_of(row.scheme);
    const double root = 1 / std::sqrt(static_cast<double>(width));
    double single = has_xavier(row.scheme) ? root : 0.02;
    double both = single;
    if (row.scheme == Scheme::TFixup) {
      single *= 0.368893973;  // L = 6
      both *= 0.310201620;    // the deeper of 6 and 12
    }
    for (const char* name : {"token_embedding.weight", "position_embedding.weight"}) {
      check_all(nn::parameters(nn::GPT(config, Seed{1})), name, single);
      check_all(nn::parameters(nn::Bert(config, Seed{1})), name, single);
      check_all(nn::parameters(nn::EncoderDecoder(config, Seed{1})), name, both);
    }
    const double head = has_xavier(row.scheme) ? std::sqrt(2.0 / (vocab + width)) : 0.02;
    check_all(nn::parameters(nn::GPT(config, Seed{1})), "head.weight", head);
  }
}

TEST_CASE("Learned gains start at their scheme's constants, and no scheme but Admin, LayerScale and ReZero has any",
          "[nn][init][scheme][slow]") {
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    INFO(row.name);
    const nn::EncoderDecoder model(config_of(row.scheme), Seed{1});
    int64_t gains = 0;
    for (const LeafPtr& leaf : nn::parameters(model)) {
      if (!leaf->name.ends_with("_gain")) continue;
      ++gains;
      const bool decoder = leaf->name.starts_with("decoder.");
      double expected = 0;  // ReZero
      if (row.scheme == Scheme::Admin) expected = decoder ? 3.040839038 : 2.017009219;
      if (row.scheme == Scheme::LayerScale) expected = 0.1;
      for (const real x : value_of(leaf).values()) CHECK(static_cast<double>(x) == Approx(expected).epsilon(1e-6));
      CHECK_FALSE(leaf->decay);
    }
    const bool learned =
        row.scheme == Scheme::Admin || row.scheme == Scheme::LayerScale || row.scheme == Scheme::ReZero;
    CHECK(gains == (learned ? 2 * n + 3 * m : 0));
  }
}

}  // namespace tape::inline TAPE_ABI::test
