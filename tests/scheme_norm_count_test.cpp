// How many norms each residual scheme computes: on the tape of a whole model, by norm_count, and as the papers have it.
#include <tape/core/tape.h>

#include "catch.h"
#include "support/scheme_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Depth;
using nn::Scheme;

constexpr int64_t n = 3;
constexpr int64_t m = 5;

// For N = 3 and M = 5: a single stack of N, and encoder and decoder together.
struct Count {
  int64_t single, both;
};
Count expected_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::PostLN:
    case Scheme::DeepNorm:
    case Scheme::DeepNormArticle:
    case Scheme::Admin:
      return {6, 21};  // 2N, 2N+3M
    case Scheme::PreLN:
    case Scheme::MixLN:
    case Scheme::LayerNormScaling:
    case Scheme::LayerScale:
    case Scheme::ResiDual:
      return {7, 23};  // and one at the end of each stack
    case Scheme::SandwichLN:
    case Scheme::NormFormer:
      return {13, 44};  // 4N+1, 4N+6M+2
    case Scheme::SubLN:
      return {13, 39};  // 4N+1, 4N+5M+2: cross attention has one
    case Scheme::PeriLN:
      return {14, 46};  // and one at the start of each stack
    case Scheme::OLMo2:
    case Scheme::HybridNorm:
      return {13, 49};  // each attention three, each feed-forward one: 4N+1, 4N+7M+2
    case Scheme::KEEL:
      return {11, 40};  // 4N-1, 4N+6M-2: the first attention of a stack has one
    case Scheme::Parallel:
      return {4, 10};  // one in each block: N+1, N+M+2
    case Scheme::ReZero:
    case Scheme::TFixup:
      return {0, 0};
  }
  return {-1, -1};
}

nn::ModelConfig config_of(const Choice& choice) {
  return {.vocab = 5,
          .context = 4,
          .layers = n,
          .decoder_layers = m,
          .heads = 2,
          .width = 8,
          .hidden = 6,
          .scheme = choice.scheme,
          .norm = choice.norm};
}

template <class Forward>
int64_t norms_of(const Forward& forward) {
  Tape tape;
  forward();
  return norms_on_tape(tape);
}

// True for the combinations that nn::check() refuses.
bool is_refused(const Choice& choice) {
  try {
    nn::check(config_of(choice), nn::Architecture::DecoderOnly);
    return false;
  } catch (const Error&) {
    return true;
  }
}

}  // namespace

TEST_CASE("norm_count says what the papers say: Post-LN 2L, Pre-LN 2L+1, encoder-decoder 2N+3M and 2 more, …",
          "[nn][scheme]") {
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    INFO(row.name);
    const Count expected = expected_of(row.scheme);
    CHECK(nn::norm_count(row.scheme, Depth::encoder_only(n)) == expected.single);
    CHECK(nn::norm_count(row.scheme, Depth::decoder_only(n)) == expected.single);
    CHECK(nn::norm_count(row.scheme, Depth::encoder_of(n, m)) == expected.single);
    CHECK(nn::norm_count(row.scheme, Depth::encoder_of(n, m)) + nn::norm_count(row.scheme, Depth::decoder_of(n, m)) ==
          expected.both);
  }
}

TEST_CASE("A model computes as many norms as its scheme has, in every architecture", "[nn][scheme][slow]") {
  const Ids source = random_ids({2, 4}, 5, 1);
  const Ids target = random_ids({2, 3}, 5, 2);
  for (const Choice& choice : every_choice(all_norms)) {
    if (is_refused(choice)) continue;
    INFO(choice.name());
    const nn::ModelConfig config = config_of(choice);
    const Count expected = expected_of(choice.scheme);
    const nn::GPT gpt(config, Seed{1});
    const nn::Bert bert(config, Seed{1});
    const nn::EncoderDecoder both(config, Seed{1});
    CHECK(norms_of([&] { gpt(source, nn::evaluation()); }) == expected.single);
    CHECK(norms_of([&] { bert(source, nn::evaluation()); }) == expected.single);
    CHECK(norms_of([&] { both(source, target, nn::evaluation()); }) == expected.both);
  }
}

TEST_CASE("Every norm of a model has a weight, and none stands idle", "[nn][scheme]") {
  const Ids source = random_ids({2, 4}, 5, 1);
  const Ids target = random_ids({2, 3}, 5, 2);
  for (const Choice& choice : every_choice(all_norms)) {
    if (is_refused(choice)) continue;
    INFO(choice.name());
    const nn::EncoderDecoder model(config_of(choice), Seed{1});
    int64_t weights = 0;
    for (const LeafPtr& leaf : nn::parameters(model)) {
      const bool of_norm = leaf->name.find("norm") != std::string::npos;
      weights += of_norm && leaf->name.ends_with(".weight") ? 1 : 0;
    }
    CHECK(weights == expected_of(choice.scheme).both);
  }
}

}  // namespace tape::inline TAPE_ABI::test
