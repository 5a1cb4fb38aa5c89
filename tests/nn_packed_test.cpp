// Several texts packed into one row give what each of them gives alone, in every architecture: with positions that are
// counted from distances, which packing does not change.
#include <tape/core/ops/shape_ops.h>
#include <tape/nn/bert.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

const Ids first = random_ids({1, 3}, 7, 1);
const Ids second = random_ids({1, 4}, 7, 2);
const Ids segments = Ids::from({1, 8}, {0, 0, 0, 1, 1, 1, 1, -1});

// first, second and one token of padding.
Ids packed() {
  Ids all({1, 8});
  std::ranges::copy(first.values(), all.mutable_data());
  std::ranges::copy(second.values(), all.mutable_data() + 3);
  all.mutable_data()[7] = 0;
  return all;
}

// alone(text) and together(packed text) are logits (1, T, V).
template <class Alone, class Together>
void check_packing(const Alone& alone, const Together& together) {
  const Tensor all = together(nn::Sequence(packed(), {}, segments));
  CHECK(difference(slice(all, 1, 0, 3), alone(first)) < 3e-6);
  CHECK(difference(slice(all, 1, 3, 7), alone(second)) < 3e-6);
  CHECK(difference(slice(together(nn::Sequence(packed())), 1, 3, 7), alone(second)) > 0.01);  // without segments
}

}  // namespace

TEST_CASE("Texts packed into a row give what each gives alone", "[nn][packed]") {
  for (const nn::Positions positions :
       {nn::Positions::Rotary, nn::Positions::ALiBi, nn::Positions::RelativeBias, nn::Positions::None}) {
    INFO(nn::name_of(positions));
    const nn::ModelConfig config{
        .vocab = 7, .context = 8, .layers = 2, .heads = 2, .kv_heads = 1, .width = 16, .positions = positions};
    const nn::GPT gpt(config, Seed{1});
    const nn::Bert bert(config, Seed{1});
    const nn::EncoderDecoder both(config, Seed{1});
    randomize(nn::parameters(gpt), 3);
    randomize(nn::parameters(bert), 4);
    randomize(nn::parameters(both), 5);
    const auto with = [](const auto& model) {
      return [&](const nn::Sequence& s) { return model(s, nn::evaluation()); };
    };
    check_packing(with(gpt), with(gpt));
    check_packing(with(bert), with(bert));
    const auto translated = [&](const nn::Sequence& s) { return both(s, s, nn::evaluation()); };
    check_packing(translated, translated);
  }
}

TEST_CASE("A window limits what reaches a position, block by block", "[nn][packed]") {
  const nn::GPT gpt({.vocab = 7, .context = 8, .layers = 2, .heads = 2, .width = 16, .window = 2}, Seed{1});
  randomize(nn::parameters(gpt), 3);
  Ids changed = packed();
  const Tensor before = gpt(packed(), nn::evaluation());
  changed.mutable_data()[1] = (changed.data()[1] + 1) % 7;
  const Tensor after = gpt(changed, nn::evaluation());
  CHECK_FALSE(same_bits(slice(before, 1, 3, 4), slice(after, 1, 3, 4)));  // two blocks see two positions back
  CHECK(same_bits(slice(before, 1, 4, 8), slice(after, 1, 4, 8)));
}

}  // namespace tape::inline TAPE_ABI::test
