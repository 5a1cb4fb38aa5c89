// A text read position by position through a cache has the scores of the text read whole.
#include <algorithm>

#include <tape/core/ops/shape_ops.h>
#include <tape/nn/bert.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr int64_t length = 9;

nn::ModelConfig config_of() {
  return {.vocab = 13, .context = length, .layers = 2, .heads = 4, .width = 16};
}

Ids columns(const Ids& ids, int64_t begin, int64_t end) {
  const int64_t rows = ids.shape()[0];
  Ids part({rows, end - begin});
  for (int64_t b = 0; b < rows; ++b)
    std::copy_n(ids.data() + b * ids.shape()[1] + begin, end - begin, part.mutable_data() + b * (end - begin));
  return part;
}

// The largest difference between the scores of a whole pass and of passes that end at `ends`.
double largest_difference(const nn::ModelConfig& config, std::initializer_list<int64_t> ends) {
  const nn::GPT gpt(config, Seed{1});
  randomize(nn::parameters(gpt), 2);
  const Ids ids = random_ids({2, length}, 13, 3);
  const Tensor whole = gpt(ids, nn::evaluation());
  nn::KeyValueCache cache;
  double worst = 0;
  int64_t begin = 0;
  for (const int64_t end : ends) {
    CHECK(cache.length() == begin);
    const Tensor part = gpt(columns(ids, begin, end), nn::evaluation().remembering(cache));
    worst = std::max(worst, difference(part, slice(whole, 1, begin, end)));
    begin = end;
  }
  CHECK(cache.length() == length);
  return worst;
}

constexpr int64_t many = 300;  // outgrows the room of a cache several times

constexpr auto one_by_one = {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{4}, int64_t{5},
                             int64_t{6}, int64_t{7}, int64_t{8}, int64_t{9}};

}  // namespace

TEST_CASE("Every scheme reads position by position what it reads at once", "[nn][cache]") {
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    INFO(row.name);
    nn::ModelConfig config = config_of();
    config.scheme = row.scheme;
    CHECK(largest_difference(config, one_by_one) < 1e-4);
    CHECK(largest_difference(config, {4, 5, 9}) < 1e-4);
  }
}

TEST_CASE("Every kind of positions and form of attention does", "[nn][cache]") {
  for (const auto positions : {nn::Positions::Learned, nn::Positions::Sinusoidal, nn::Positions::Rotary,
                               nn::Positions::ALiBi, nn::Positions::RelativeBias, nn::Positions::None}) {
    nn::ModelConfig config = config_of();
    config.positions = positions;
    INFO(name_of(positions));
    CHECK(largest_difference(config, one_by_one) < 1e-4);
    config.kv_heads = 2;
    config.window = 3;
    config.softcap = 5;
    config.qk_norm = nn::QKNorm::PerHead;
    CHECK(largest_difference(config, one_by_one) < 1e-4);
    config.kv_heads = 1;
    config.qk_norm = nn::QKNorm::FullWidth;
    CHECK(largest_difference(config, {2, 9}) < 1e-4);
  }
}

TEST_CASE("A text may outgrow the room of its cache", "[nn][cache]") {
  nn::ModelConfig config = config_of();
  config.context = many;
  const nn::GPT gpt(config, Seed{1});
  randomize(nn::parameters(gpt), 2);
  const Ids ids = random_ids({2, many}, 13, 3);
  const Tensor whole = gpt(ids, nn::evaluation());
  for (const int64_t positions : {int64_t{0}, int64_t{1}, many}) {
    nn::KeyValueCache cache(positions);
    const nn::Context context = nn::evaluation().remembering(cache);
    for (int text = 0; text < 2; ++text) {
      double worst = 0;
      int64_t begin = 0;
      for (const int64_t end : {int64_t{5}, int64_t{6}, int64_t{64}, int64_t{65}, int64_t{130}, many}) {
        worst = std::max(worst, difference(gpt(columns(ids, begin, end), context), slice(whole, 1, begin, end)));
        begin = end;
      }
      CHECK(worst < 1e-4);
      cache.clear();
    }
  }
}

TEST_CASE("A decoder reads its source once, and position by position what it reads at once", "[nn][cache]") {
  nn::ModelConfig config = config_of();
  config.scheme = nn::Scheme::DeepNorm;
  const nn::EncoderDecoder model(config, Seed{1});
  randomize(nn::parameters(model), 2);
  const nn::Memory memory = model.encode({random_ids({2, 5}, 13, 4), Ids::from({2}, {5, 3})}, nn::evaluation());
  const Ids target = random_ids({2, length}, 13, 3);
  const Tensor whole = model.decode(memory, target, nn::evaluation());
  nn::KeyValueCache cache;
  const nn::Context context = nn::evaluation().remembering(cache);
  for (int64_t t = 0; t < length; ++t) {
    const Tensor one = model.decode(memory, columns(target, t, t + 1), context);
    CHECK(difference(one, slice(whole, 1, t, t + 1)) < 1e-4);
  }
}

TEST_CASE("A cache can be cleared for another text, and is refused where it can not work", "[nn][cache][errors]") {
  const nn::GPT gpt(config_of(), Seed{1});
  nn::KeyValueCache cache;
  const nn::Context context = nn::evaluation().remembering(cache);
  const Tensor first = gpt(random_ids({1, 4}, 13, 1), context);
  CHECK(has_parts(error_of([&] { gpt(random_ids({2, 4}, 13, 1), context); }), {"holds a batch of 1", "has 2"}));
  cache.clear();
  CHECK(cache.length() == 0);
  CHECK(same_bits(gpt(random_ids({1, 4}, 13, 1), context), first));
  CHECK(has_parts(error_of([&] { gpt(random_ids({1, 6}, 13, 1), context); }), {"after 4 positions", "context of 9"}));
  cache.clear();
  {
    const Tape tape;
    CHECK(has_parts(error_of([&] { gpt(random_ids({1, 4}, 13, 1), context); }), {"key-value cache", "NoRecord"}));
    const NoRecord suspended;
    CHECK(same_bits(gpt(random_ids({1, 4}, 13, 1), context), first));
  }
  CHECK(has_parts(error_of([&] { nn::training(0).remembering(cache); }), {"for evaluation"}));
  const nn::Bert bert(config_of(), Seed{1});
  CHECK(has_parts(error_of([&] { bert(random_ids({1, 4}, 13, 1), context); }), {"causal"}));
  cache.clear();
  const nn::Sequence padded(random_ids({1, 4}, 13, 1), Ids::from({1}, {3}));
  CHECK(has_parts(error_of([&] { gpt(padded, context); }), {"without lengths"}));
}

}  // namespace tape::inline TAPE_ABI::test
