// Gradients of whole models with attention's forms: the relative bias that a stack's blocks share, key heads, windows,
// caps, partial rotary positions, norms of queries and keys, and packed texts.
#include <tape/nn/bert.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/gradcheck.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Positions;

nn::ModelConfig tiny() {
  return {.vocab = 7, .context = 6, .layers = 2, .heads = 2, .width = 8, .hidden = 10};
}

const Ids ids = random_ids({2, 6}, 7, 1);
const Ids segments = Ids::from({2, 6}, {0, 0, 0, 1, 1, 1, 2, 2, 4, 4, 4, -1});

template <class Model>
const Model& prepared(const Model& model, uint64_t seed) {
  randomize(nn::parameters(model), seed);
  return model;
}

}  // namespace

TEST_CASE("The gradient of a GPT agrees with every form of attention", "[gradient][nn]") {
  nn::ModelConfig config = tiny();
  SECTION("shared key heads") {
    config.kv_heads = 1;
  }
  SECTION("window") {
    config.window = 2;
  }
  SECTION("soft cap") {
    config.softcap = 1;
  }
  SECTION("ALiBi") {
    config.positions = Positions::ALiBi;
  }
  SECTION("relative bias") {
    config.positions = Positions::RelativeBias;
  }
  SECTION("no positions") {
    config.positions = Positions::None;
  }
  SECTION("rotary, half of each head, interleaved") {
    config.positions = Positions::Rotary;
    config.rotary_fraction = 0.5;
    config.rotary_layout = RotaryLayout::interleaved;
  }
  SECTION("norms of queries and keys, RMSNorm") {
    config.norm = nn::NormKind::RMS;
    config.qk_norm = nn::QKNorm::PerHead;
  }
  config.relative_buckets = 4;
  config.relative_max_distance = 5;
  const nn::GPT gpt(config, Seed{1});
  prepared(gpt, 3);
  check_gradients([&](const Inputs&) { return gpt(ids, nn::evaluation()); }, {}, nn::parameters(gpt));
}

TEST_CASE("The gradient of models of packed texts agrees, with relative bias and recomputation", "[gradient][nn]") {
  nn::ModelConfig config = tiny();
  config.positions = Positions::RelativeBias;
  config.relative_buckets = 4;
  config.relative_max_distance = 5;
  config.recompute = GENERATE(false, true);
  const nn::Bert bert(config, Seed{1});
  prepared(bert, 3);
  check_gradients([&](const Inputs&) { return bert({ids, {}, segments}, nn::evaluation()); }, {}, nn::parameters(bert));
  const nn::EncoderDecoder both(config, Seed{1});
  prepared(both, 4);
  const nn::Sequence text(ids, {}, segments);
  check_gradients([&](const Inputs&) { return both(text, text, nn::evaluation()); }, {}, nn::parameters(both));
}

}  // namespace tape::inline TAPE_ABI::test
