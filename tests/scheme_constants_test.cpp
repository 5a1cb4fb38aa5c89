// The numbers of the residual schemes, against literals computed elsewhere from the papers' closed forms (with forty
// decimal digits), beside the papers' own rounded figures. Several public codebases have one of them wrong: the tests'
// names say which.
#include <cmath>

#include <tape/nn/model_config.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Depth;
using nn::Scheme;
using nn::SchemeConstants;
using nn::Sublayer;

constexpr double six_digits = 5e-7;

double alpha_of(Scheme scheme, const Depth& depth) {
  return nn::scheme_constants(scheme, depth).alpha;
}
double beta_of(Scheme scheme, const Depth& depth) {
  return nn::scheme_constants(scheme, depth).beta;
}

struct OneStack {
  int64_t layers;
  double alpha, beta;
};
constexpr OneStack deepnorm_alone[] = {
    {6, 1.861209718, 0.379917843},   {12, 2.213363839, 0.319471552},  {18, 2.449489743, 0.288675135},
    {24, 2.632148026, 0.268642483},  {50, 3.162277660, 0.223606798},  {100, 3.760603093, 0.188030155},
    {200, 4.472135955, 0.158113883}, {500, 5.623413252, 0.125743343}, {1000, 6.687403050, 0.105737126},
};

struct TwoStacks {
  int64_t n, m;
  double encoder_alpha, encoder_beta, decoder_alpha, decoder_beta;
  Depth encoder() const { return Depth::encoder_of(n, m); }
  Depth decoder() const { return Depth::decoder_of(n, m); }
};
constexpr TwoStacks deepnorm_both[] = {
    {6, 6, 1.424662623, 0.496332795, 2.059767144, 0.343294524},
    {12, 12, 1.769228408, 0.399669584, 2.449489743, 0.288675135},
    {18, 18, 2.008225247, 0.352105314, 2.710806011, 0.260847430},
    {24, 24, 2.197130120, 0.321832000, 2.912950630, 0.242745886},
    {50, 50, 2.763553592, 0.255868670, 3.499635512, 0.202051550},
    {100, 100, 3.431940618, 0.206037009, 4.161791450, 0.169904424},
    {200, 200, 4.261982267, 0.165910306, 4.949232004, 0.142872021},
    {500, 500, 5.675026464, 0.124599733, 6.223329773, 0.113621937},
    {1000, 1000, 7.047575948, 0.100333333, 7.400828045, 0.095544279},
    {6, 12, 1.487737826, 0.475289912, 2.449489743, 0.288675135},
    {12, 6, 1.694218928, 0.417364468, 2.059767144, 0.343294524},
    {1, 1, 0.813841374, 0.868850864, 1.316074013, 0.537284966},
    {2, 100, 1.290616650, 0.547882891, 4.161791450, 0.169904424},
    {100, 2, 2.687535066, 0.263106067, 1.565084580, 0.451801002},
    {24, 6, 2.014777203, 0.350960285, 2.059767144, 0.343294524},
    {500, 18, 4.610380794, 0.153372750, 2.710806011, 0.260847430},
};

double sixteenth_root(const TwoStacks& row) {  // (N⁴M)^(1/16)
  return std::pow(static_cast<double>(row.n), 0.25) * std::pow(static_cast<double>(row.m), 0.0625);
}

}  // namespace

TEST_CASE("DeepNorm's α and β of one stack to six digits, for encoder-only and decoder-only", "[nn][scheme]") {
  for (const OneStack& row : deepnorm_alone) {
    INFO(row.layers << " blocks");
    for (const Depth& depth : {Depth::encoder_only(row.layers), Depth::decoder_only(row.layers)}) {
      CHECK(alpha_of(Scheme::DeepNorm, depth) == Approx(row.alpha).epsilon(six_digits));
      CHECK(beta_of(Scheme::DeepNorm, depth) == Approx(row.beta).epsilon(six_digits));
    }
  }
}

TEST_CASE("DeepNorm's α and β of encoder and decoder to six digits, also where their depths differ", "[nn][scheme]") {
  for (const TwoStacks& row : deepnorm_both) {
    INFO(row.n << " and " << row.m << " blocks");
    CHECK(alpha_of(Scheme::DeepNorm, row.encoder()) == Approx(row.encoder_alpha).epsilon(six_digits));
    CHECK(beta_of(Scheme::DeepNorm, row.encoder()) == Approx(row.encoder_beta).epsilon(six_digits));
    CHECK(alpha_of(Scheme::DeepNorm, row.decoder()) == Approx(row.decoder_alpha).epsilon(six_digits));
    CHECK(beta_of(Scheme::DeepNorm, row.decoder()) == Approx(row.decoder_beta).epsilon(six_digits));
  }
}

TEST_CASE("DeepNorm's exact forms lie within the rounding of the paper's 0.81 and 0.87", "[nn][scheme]") {
  for (const TwoStacks& row : deepnorm_both) {
    INFO(row.n << " and " << row.m << " blocks");
    const double alpha_factor = alpha_of(Scheme::DeepNorm, row.encoder()) / sixteenth_root(row);
    const double beta_factor = beta_of(Scheme::DeepNorm, row.encoder()) * sixteenth_root(row);
    CHECK(std::abs(alpha_factor - 0.81) < 0.005);
    CHECK(std::abs(beta_factor - 0.87) < 0.005);
  }
}

TEST_CASE("DeepNorm balances the model's update: 2L(v² + w²)/α² is 1 in one stack, 3M(v² + w²)/α² in a decoder",
          "[nn][scheme]") {
  // Theorem 4.2 of the paper with v = w = β: what the constants were chosen for.
  for (const OneStack& row : deepnorm_alone) {
    const SchemeConstants c = nn::scheme_constants(Scheme::DeepNorm, Depth::decoder_only(row.layers));
    const auto steps = static_cast<double>(2 * row.layers);
    CHECK(steps * 2 * c.beta * c.beta / (c.alpha * c.alpha) == Approx(1).epsilon(1e-12));
  }
  for (const TwoStacks& row : deepnorm_both) {
    const SchemeConstants c = nn::scheme_constants(Scheme::DeepNorm, row.decoder());
    const auto steps = static_cast<double>(3 * row.m);
    CHECK(steps * 2 * c.beta * c.beta / (c.alpha * c.alpha) == Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("DeepNorm's β of an encoder is not torchscale's 1.15·(N⁴M)^(-1/16), a third too large", "[nn][scheme]") {
  for (const TwoStacks& row : deepnorm_both) {
    const double torchscale = 1.15 / sixteenth_root(row);
    CHECK(torchscale / beta_of(Scheme::DeepNorm, row.encoder()) == Approx(1.3236).epsilon(1e-3));
  }
}

TEST_CASE(
    "DeepNorm's β falls with depth: Mix-LN's baseline lost the sign of its exponent, and its α fits 32 blocks only",
    "[nn][scheme]") {
  CHECK(beta_of(Scheme::DeepNorm, Depth::decoder_only(32)) == Approx(0.25).epsilon(1e-12));  // there 4
  CHECK(alpha_of(Scheme::DeepNorm, Depth::decoder_only(32)) == Approx(2.828427).epsilon(six_digits));
  for (std::size_t i = 1; i < std::size(deepnorm_alone); ++i) {
    const Depth shallow = Depth::decoder_only(deepnorm_alone[i - 1].layers);
    const Depth deep = Depth::decoder_only(deepnorm_alone[i].layers);
    CHECK(beta_of(Scheme::DeepNorm, deep) < beta_of(Scheme::DeepNorm, shallow));
    CHECK(alpha_of(Scheme::DeepNorm, deep) > alpha_of(Scheme::DeepNorm, shallow));
  }
}

TEST_CASE("DeepNorm's constants of one stack are neither KEEL's print of β nor GLM-130B's", "[nn][scheme]") {
  for (const OneStack& row : deepnorm_alone) {
    const auto steps = static_cast<double>(2 * row.layers);
    const SchemeConstants c = nn::scheme_constants(Scheme::DeepNorm, Depth::decoder_only(row.layers));
    CHECK(std::pow(steps, -0.25) / c.beta == Approx(std::sqrt(2.0)).epsilon(1e-12));
    CHECK(std::sqrt(steps) / c.alpha == Approx(c.alpha).epsilon(1e-12));
  }
}

TEST_CASE("The article's constants follow from no depth", "[nn][scheme]") {
  for (const int64_t n : {1, 12, 1000}) {
    CHECK(alpha_of(Scheme::DeepNormArticle, Depth::encoder_only(n)) == 1.0);
    CHECK(beta_of(Scheme::DeepNormArticle, Depth::encoder_only(n)) == 0.2);
    CHECK(alpha_of(Scheme::DeepNormArticle, Depth::decoder_only(n)) == 0.8);
    CHECK(beta_of(Scheme::DeepNormArticle, Depth::decoder_only(n)) == 0.1);
    for (const int64_t m : {1, 6, 500}) {
      CHECK(alpha_of(Scheme::DeepNormArticle, Depth::encoder_of(n, m)) == 1.0);
      CHECK(alpha_of(Scheme::DeepNormArticle, Depth::decoder_of(n, m)) == 0.8);
      CHECK(beta_of(Scheme::DeepNormArticle, Depth::encoder_of(n, m)) == 0.1);
      CHECK(beta_of(Scheme::DeepNormArticle, Depth::decoder_of(n, m)) == 0.1);
    }
  }
}

TEST_CASE("Admin's ω starts at the closed form of admin-torch, for 2L steps and for 3M with cross attention",
          "[nn][scheme]") {
  struct Row {
    int64_t steps;
    double omega;
  };
  constexpr Row rows[] = {{6, 1.611610498},     {12, 2.017009219},    {24, 2.601285583},
                          {36, 3.040839038},    {48, 3.404483718},    {300, 7.193137518},
                          {1000, 11.995358595}, {2000, 16.193853806}, {200, 6.074610649}};
  for (const Row& row : rows) {
    INFO(row.steps << " steps");
    for (const Depth& depth : {Depth::encoder_only(row.steps / 2), Depth::decoder_only(row.steps / 2),
                               Depth::encoder_of(row.steps / 2, 7)}) {
      CHECK(alpha_of(Scheme::Admin, depth) == Approx(row.omega).epsilon(six_digits));
    }
    if (row.steps % 3 != 0) continue;
    const Depth decoder = Depth::decoder_of(7, row.steps / 3);
    CHECK(alpha_of(Scheme::Admin, decoder) == Approx(row.omega).epsilon(six_digits));
    CHECK(nn::plan(Scheme::Admin, decoder, 0, Sublayer::CrossAttention).skip_gain.start ==
          Approx(row.omega).epsilon(six_digits));
  }
}

TEST_CASE("Sub-LN's gain to six digits, for one stack and for encoder and decoder", "[nn][scheme]") {
  constexpr OneStack alone[] = {{6, 1, 1.576358668},   {12, 1, 1.782709688},  {18, 1, 1.893018473},
                                {24, 1, 1.967536788},  {50, 1, 2.145966026},  {100, 1, 2.301807413},
                                {200, 1, 2.447746831}, {500, 1, 2.628260885}, {1000, 1, 2.756973424}};
  for (const OneStack& row : alone) {
    CHECK(beta_of(Scheme::SubLN, Depth::encoder_only(row.layers)) == Approx(row.beta).epsilon(six_digits));
    CHECK(beta_of(Scheme::SubLN, Depth::decoder_only(row.layers)) == Approx(row.beta).epsilon(six_digits));
  }
  constexpr TwoStacks both[] = {{6, 6, 1, 1.547288381, 1, 1.700109337},    {6, 12, 1, 1.722857127, 1, 1.893018473},
                                {12, 6, 1, 1.749833996, 1, 1.700109337},   {18, 18, 1, 2.182857445, 1, 1.997244113},
                                {100, 2, 1, 1.778886385, 1, 1.338566199},  {2, 100, 1, 1.623486113, 1, 2.388259298},
                                {500, 500, 1, 4.103573107, 1, 2.704296653}};
  for (const TwoStacks& row : both) {
    CHECK(beta_of(Scheme::SubLN, row.encoder()) == Approx(row.encoder_beta).epsilon(six_digits));
    CHECK(beta_of(Scheme::SubLN, row.decoder()) == Approx(row.decoder_beta).epsilon(six_digits));
    CHECK(nn::scheme_init(Scheme::SubLN, row.decoder(), Sublayer::CrossAttention).value == 1);
    CHECK(nn::scheme_init(Scheme::SubLN, row.decoder(), Sublayer::CrossAttention).attention_out == 1);
  }
}

TEST_CASE("T-Fixup's factors to six digits: 0.67·N^-¼ in an encoder, (9M)^-¼ in its decoder", "[nn][scheme]") {
  constexpr OneStack rows[] = {{2, 0.485491772, 0.563400598},   {6, 0.368893973, 0.428091880},
                               {12, 0.310201620, 0.359980927},  {18, 0.280298805, 0.325279487},
                               {100, 0.182574186, 0.211872603}, {200, 0.153525978, 0.178162913}};
  for (const auto& [layers, decoder, encoder] : rows) {
    CHECK(beta_of(Scheme::TFixup, Depth::encoder_of(layers, 5)) == Approx(encoder).epsilon(six_digits));
    CHECK(beta_of(Scheme::TFixup, Depth::encoder_only(layers)) == Approx(encoder).epsilon(six_digits));
    CHECK(beta_of(Scheme::TFixup, Depth::decoder_of(5, layers)) == Approx(decoder).epsilon(six_digits));
    const double square = nn::embedding_init(Scheme::TFixup, Depth::encoder_of(layers, layers), 64).stddev * 8;
    CHECK(square == Approx(decoder).epsilon(six_digits));
  }
}

TEST_CASE("KEEL's α is the number of residual steps, but 1 in the first block", "[nn][scheme]") {
  for (const int64_t layers : {2, 6, 32, 256}) {
    const auto skip = [](const Depth& depth, int64_t layer, Sublayer s) {
      return nn::plan(Scheme::KEEL, depth, layer, s).skip;
    };
    for (const Depth& depth :
         {Depth::encoder_only(layers), Depth::decoder_only(layers), Depth::encoder_of(layers, 3)}) {
      for (const Sublayer s : {Sublayer::SelfAttention, Sublayer::FeedForward}) {
        CHECK(skip(depth, 0, s) == 1);
        CHECK(skip(depth, 1, s) == static_cast<double>(2 * layers));
      }
    }
    const Depth decoder = Depth::decoder_of(3, layers);
    for (const Sublayer s : {Sublayer::SelfAttention, Sublayer::CrossAttention, Sublayer::FeedForward}) {
      CHECK(skip(decoder, 0, s) == 1);
      CHECK(skip(decoder, layers - 1, s) == static_cast<double>(3 * layers));
    }
  }
}

TEST_CASE("LayerScale's λ starts as in CaiT: 0.1 up to 18 blocks, 1e-5 at 24, 1e-6 beyond", "[nn][scheme]") {
  const auto start = [](int64_t layers) {
    return nn::plan(Scheme::LayerScale, Depth::decoder_only(layers), 0, Sublayer::FeedForward).branch_gain.start;
  };
  for (const int64_t layers : {1, 12, 18}) CHECK(start(layers) == 0.1);
  CHECK(start(24) == 1e-5);
  for (const int64_t layers : {36, 48}) CHECK(start(layers) == 1e-6);
}

TEST_CASE("LayerNorm Scaling divides by the root of the block's number, counted from 1, in all of its sublayers",
          "[nn][scheme]") {
  constexpr double expected[] = {1, 0.707106781, 0.577350269, 0.5};
  for (int64_t layer = 0; layer < 4; ++layer) {
    for (const Sublayer s : {Sublayer::SelfAttention, Sublayer::CrossAttention, Sublayer::FeedForward}) {
      CHECK(nn::plan(Scheme::LayerNormScaling, Depth::decoder_of(2, 4), layer, s).input_scale ==
            Approx(expected[layer]).epsilon(six_digits));
    }
  }
}

TEST_CASE("Mix-LN has Post-LN in the first quarter of each stack, in one block at least", "[nn][scheme]") {
  struct Row {
    int64_t layers, post;
  };
  for (const Row& row : {Row{1, 1}, Row{2, 1}, Row{4, 1}, Row{7, 1}, Row{8, 2}, Row{12, 3}, Row{24, 6}}) {
    for (const Depth& depth : {Depth::decoder_only(row.layers), Depth::encoder_of(row.layers, 40)}) {
      for (int64_t layer = 0; layer < row.layers; ++layer) {
        const nn::Slots s = nn::plan(Scheme::MixLN, depth, layer, Sublayer::FeedForward);
        CHECK(s.norm_sum == (layer < row.post));
        CHECK(s.norm_input == (layer >= row.post));
      }
    }
  }
}

TEST_CASE("Combinations that make no sense are refused with a reason", "[nn][scheme][errors]") {
  const auto message = [](nn::ModelConfig config) {
    config.vocab = 5;
    return error_of([&] { nn::check(config, nn::Architecture::DecoderOnly); });
  };
  for (const Scheme scheme : {Scheme::DeepNorm, Scheme::DeepNormArticle, Scheme::Admin, Scheme::KEEL}) {
    for (const nn::NormKind norm : {nn::NormKind::DyT, nn::NormKind::Derf}) {
      CHECK(has_parts(message({.scheme = scheme, .norm = norm}),
                      {"GPT", std::string(nn::name_of(scheme)), std::string(nn::name_of(norm)), "undo the scale"}));
    }
    nn::check({.vocab = 5, .scheme = scheme, .norm = nn::NormKind::Scale}, nn::Architecture::DecoderOnly);
  }
  CHECK(has_parts(message({.mixture = {.experts = 4}, .recompute = true}), {"recompute", "balance"}));
  CHECK(has_parts(message({.scheme = Scheme::TFixup, .embedding_norm = true}), {"t-fixup", "embedding_norm"}));
}

}  // namespace tape::inline TAPE_ABI::test
