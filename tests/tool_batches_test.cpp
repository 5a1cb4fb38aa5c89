// Corpora and batches of the three architectures: what is read, what is asked, what is left out, and that all of it is
// a pure function of the data, the seed and the number of the batch.
#include <tape/core/ops/loss.h>
#include <tape/examples/support/masked_batches.h>
#include <tape/examples/support/pair_batches.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "catch.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using tool::Batch;
using tool::MaskedBatches;
using tool::Pair;
using tool::PairBatches;

namespace {

constexpr int32_t nothing = CrossEntropyOptions{}.ignore_index;

std::vector<int32_t> cycle(int64_t n, int32_t period) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < n; ++i) tokens.push_back(static_cast<int32_t>(i % period));
  return tokens;
}

MaskedBatches masked(uint64_t seed = 1, int64_t context = 20) {
  return MaskedBatches(cycle(4000, 30),
                       {.context = context, .vocab = 31, .validation_rows = 8, .seed = Seed{seed}, .path = "text"});
}

// Twenty pairs: number i has a source of i+1 tokens i, and a target of half as many, 20+i.
std::vector<Pair> twenty_pairs() {
  std::vector<Pair> pairs;
  for (int32_t i = 0; i < 20; ++i) {
    const auto length = static_cast<std::size_t>(i + 1);
    pairs.push_back({std::vector<int32_t>(length, i), std::vector<int32_t>((length + 1) / 2, 20 + i)});
  }
  return pairs;
}
tool::BatchOptions pair_options(int64_t context = 20, uint64_t seed = 1) {
  return {.context = context, .vocab = 42, .validation_rows = 100, .seed = Seed{seed}, .path = "pairs.tsv"};
}

bool same(const Ids& a, const Ids& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.values(), b.values());
}
bool same(const Batch& a, const Batch& b) {
  return same(a.input, b.input) && same(a.target, b.target);
}

tool::Corpus corpus(std::u32string_view text) {
  const auto kind = nn::Architecture::EncoderDecoder;
  return tool::corpus_of(text, tool::tokenizer_of(text, kind), kind, "pairs.tsv");
}

}  // namespace

TEST_CASE("Architectures have names, and tokens after their characters", "[tool][corpus]") {
  for (const auto architecture :
       {nn::Architecture::DecoderOnly, nn::Architecture::EncoderOnly, nn::Architecture::EncoderDecoder}) {
    CHECK(tool::architecture(tool::name_of(architecture)) == architecture);
  }
  CHECK(has_parts(error_of([] { tool::architecture("t5"); }), {"\"t5\"", "gpt, bert, encdec"}));
  const auto tokenizer = tool::CharTokenizer::of(U"abc");
  CHECK(tool::vocabulary(tokenizer, nn::Architecture::DecoderOnly) == 3);
  CHECK(tool::vocabulary(tokenizer, nn::Architecture::EncoderOnly) == 4);
  CHECK(tool::mask_token(4) == 3);
  CHECK(tool::vocabulary(tokenizer, nn::Architecture::EncoderDecoder) == 5);
  CHECK(tool::end_token(5) == 3);
  CHECK(tool::begin_token(5) == 4);
}

TEST_CASE("Each line of a file of pairs is a source, a tab and its target", "[tool][corpus]") {
  const auto pairs = std::get<std::vector<Pair>>(corpus(U"ab\tc\nb\tba"));
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[0].source == std::vector<int32_t>{0, 1});
  CHECK(pairs[0].target == std::vector<int32_t>{2});
  CHECK(pairs[1].target == std::vector<int32_t>{1, 0});
  CHECK(std::get<std::vector<Pair>>(corpus(U"a\tb\n")).size() == 1);

  const auto message = [](std::u32string_view text) { return error_of([&] { corpus(text); }); };
  CHECK(has_parts(message(U"a\tb\nab\n"), {"pairs.tsv, line 2 has no tab", "a source, one tab, and its target"}));
  CHECK(has_parts(message(U"a\tb\tc\n"), {"pairs.tsv, line 1 has 2 tabs"}));
  CHECK(has_parts(message(U"a\tb\n\na\tb\n"), {"pairs.tsv, line 2 has no tab"}));
  CHECK(has_parts(message(U"\tb\n"), {"pairs.tsv, line 1 has nothing before the tab"}));
  CHECK(has_parts(message(U"a\t\n"), {"pairs.tsv, line 1 has nothing after the tab"}));
}

TEST_CASE("Of a masked batch 15 % of the positions are asked for: 80 % masked, 10 % random, 10 % as they are",
          "[tool][masked]") {
  const MaskedBatches batches = masked();
  int64_t positions = 0, asked = 0, hidden = 0, unchanged = 0;
  std::set<int32_t> shown;
  for (int64_t k = 0; k < 300; ++k) {
    const Batch batch = batches.training(10, k);
    for (int64_t i = 0; i < batch.input.size(); ++i) {
      const int32_t input = batch.input.data()[i];
      const int32_t target = batch.target.data()[i];
      ++positions;
      if (target == nothing) {
        REQUIRE(input < 30);
        continue;
      }
      REQUIRE(target < 30);
      ++asked;
      hidden += input == tool::mask_token(31) ? 1 : 0;
      unchanged += input == target ? 1 : 0;
      shown.insert(input);
    }
  }
  const auto share = [](int64_t part, int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); };
  // 60,000 positions and some 9,000 asked for: these bounds are about four standard deviations. A window of 20 has none
  // with probability 0.85^20 = 0.039, and gets one: 0.15 + 0.039/20.
  CHECK(share(asked, positions) == Approx(0.152).margin(0.006));
  CHECK(share(hidden, asked) == Approx(0.8).margin(0.017));
  CHECK(share(unchanged, asked) == Approx(0.1 + 0.1 / 30).margin(0.013));
  CHECK(shown.size() == 31);  // every character, and the mask
}

TEST_CASE("Where nothing is asked for the input is the text, and where something is the target is", "[tool][masked]") {
  const MaskedBatches batches = masked();
  const Batch batch = batches.training(50, 7);
  for (int64_t row = 0; row < 50; ++row) {
    const auto original = [&](int64_t t) {
      const int64_t i = row * 20 + t;
      return batch.target.data()[i] == nothing ? batch.input.data()[i] : batch.target.data()[i];
    };
    for (int64_t t = 1; t < 20; ++t) REQUIRE(original(t) == (original(t - 1) + 1) % 30);
  }
}

TEST_CASE("Every window asks for something, also a short one", "[tool][masked]") {
  const MaskedBatches batches = masked(1, 2);
  const Batch batch = batches.training(200, 0);
  int64_t single = 0;
  for (int64_t row = 0; row < 200; ++row) {
    const int32_t* target = batch.target.data() + 2 * row;
    REQUIRE((target[0] != nothing || target[1] != nothing));
    single += target[0] == nothing ? 1 : 0;
  }
  CHECK(single > 50);  // neither position is preferred
  CHECK(single < 150);
}

TEST_CASE("Masks depend on the seed and the number of the batch alone, and those of validation never change",
          "[tool][masked]") {
  CHECK(same(masked().training(4, 3), masked().training(4, 3)));
  CHECK_FALSE(same(masked().training(4, 3), masked().training(4, 4)));
  CHECK_FALSE(same(masked(1).training(4, 3), masked(2).training(4, 3)));
  const MaskedBatches batches = masked();
  REQUIRE(batches.validation_rows() == 8);
  const Batch all = batches.validation(0, 8);
  const Batch part = batches.validation(5, 100);
  REQUIRE(part.input.shape() == Shape{3, 20});
  CHECK(std::ranges::equal(part.input.values(), all.input.values().subspan(100)));
  CHECK(std::ranges::equal(part.target.values(), all.target.values().subspan(100)));
}

TEST_CASE("A batch of pairs has begin and end, padding and lengths", "[tool][pairs]") {
  const PairBatches batches(twenty_pairs(), pair_options());
  CHECK(batches.validation_rows() == 2);
  const Batch batch = batches.validation(0, 10);  // pairs 18 and 19: targets of 10 tokens 38, and 39
  REQUIRE(batch.source.shape() == Shape{2, 20});
  REQUIRE(batch.input.shape() == Shape{2, 11});
  CHECK(std::ranges::equal(batch.source_lengths.values(), std::vector<int32_t>{19, 20}));
  CHECK(std::ranges::equal(batch.lengths.values(), std::vector<int32_t>{11, 11}));
  CHECK(batch.input.data()[0] == tool::begin_token(42));
  CHECK(batch.input.data()[1] == 38);
  CHECK(batch.target.data()[0] == 38);
  CHECK(batch.target.data()[10] == tool::end_token(42));
  CHECK(count_tokens(batch) == 19 + 20 + 11 + 11);

  const Batch training = batches.training(12, 0);
  const int64_t longest = training.input.shape().last();
  for (int64_t row = 0; row < 12; ++row) {
    const int32_t length = training.lengths.data()[row];
    for (int64_t t = 0; t < longest; ++t) {
      const int32_t target = training.target.data()[row * longest + t];
      REQUIRE((target == nothing) == (t >= length));
      REQUIRE((target == tool::end_token(42)) == (t == length - 1));
    }
  }
}

TEST_CASE("Pairs train but for the last tenth, each as often as another, and batches are pure functions",
          "[tool][pairs]") {
  const PairBatches batches(twenty_pairs(), pair_options());
  std::vector<int> seen(20, 0);
  for (int64_t k = 0; k < 400; ++k) {
    const Batch batch = batches.training(9, k);
    for (int64_t row = 0; row < 9; ++row)
      ++seen[static_cast<std::size_t>(batch.source.data()[row * batch.source.shape().last()])];
  }
  for (std::size_t i = 0; i < 18; ++i) CHECK(seen[i] == Approx(200).margin(60));
  CHECK(seen[18] + seen[19] == 0);
  CHECK(same(batches.training(9, 5), PairBatches(twenty_pairs(), pair_options()).training(9, 5)));
  CHECK_FALSE(same(batches.training(9, 5), batches.training(9, 6)));
  CHECK_FALSE(same(batches.training(9, 5), PairBatches(twenty_pairs(), pair_options(20, 2)).training(9, 5)));
}

TEST_CASE("Pairs longer than the context are left out and counted; too few are refused", "[tool][pairs]") {
  const PairBatches batches(twenty_pairs(), pair_options(12));  // the sources of 12 of them fit
  CHECK(has_parts(batches.description(), {"12 pairs", "a tenth to validate", "8 longer than the context of 12"}));
  CHECK(has_parts(error_of([] { PairBatches(twenty_pairs(), pair_options(9)); }),
                  {"pairs.tsv has 9 pairs that fit a context of 9", "at least 10", "11 need one"}));
  // A target needs one position more than it is long.
  std::vector<Pair> pairs(10, Pair{{0}, {1, 2, 3}});
  CHECK_NOTHROW(PairBatches(pairs, pair_options(4)));
  CHECK(has_parts(error_of([&] { PairBatches(pairs, pair_options(3)); }), {"has 0 pairs"}));
}

TEST_CASE("The entropy of single targets counts characters and ends of the training pairs", "[tool][pairs]") {
  const PairBatches batches(std::vector<Pair>(10, Pair{{0}, {1}}), pair_options());
  CHECK(batches.unigram_entropy() == Approx(std::log(2.0)));
}

}  // namespace tape::inline TAPE_ABI::test
