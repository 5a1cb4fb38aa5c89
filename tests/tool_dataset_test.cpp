// Data: the split, batches as pure functions of (seed, index), the exact validation windows, a source of known entropy.
#include <tape/examples/support/dataset.h>
#include <tape/examples/support/markov_source.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "catch.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using tool::Batch;
using tool::Dataset;

namespace {

// Tokens 0, 1, 2 … n-1: each says where it stands.
Dataset counting(int32_t n, uint64_t seed = 1) {
  std::vector<int32_t> tokens(static_cast<std::size_t>(n));
  std::iota(tokens.begin(), tokens.end(), 0);
  return Dataset(std::move(tokens), Seed{seed});
}

std::vector<int32_t> values(const Ids& ids) {
  return {ids.values().begin(), ids.values().end()};
}

// Every row counts up from its first token, and the targets are one ahead.
bool rows_are_windows(const Batch& batch, int64_t context) {
  for (int64_t i = 0; i < batch.input.size(); ++i) {
    const int32_t* input = batch.input.data();
    if (input[i] != input[i / context * context] + i % context || batch.target.data()[i] != input[i] + 1) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("The last tenth, rounded down, is for validation", "[tool]") {
  CHECK(counting(100).training().size() == 90);
  CHECK(counting(100).validation().front() == 90);
  CHECK(counting(109).training().size() == 99);
  CHECK(counting(109).validation().size() == 10);
  CHECK(counting(9).validation().empty());
}

TEST_CASE("A text needs a window in its validation part", "[tool]") {
  counting(90).require_windows(8, "text");
  CHECK(has_parts(error_of([] { counting(89).require_windows(8, "book.txt"); }),
                  {"book.txt is too short", "context of 8", "89 characters", "last 8", "needs 9"}));
}

TEST_CASE("A batch is windows of the training part, and depends on seed and index alone", "[tool]") {
  const Dataset data = counting(1000);
  const Batch batch = data.batch(5, 7, 3);
  CHECK(batch.input.shape() == Shape{5, 7});
  CHECK(batch.target.shape() == Shape{5, 7});
  CHECK(rows_are_windows(batch, 7));

  data.batch(9, 5, 8);  // other calls in between change nothing
  CHECK(values(data.batch(5, 7, 3).input) == values(batch.input));
  CHECK(values(counting(1000).batch(5, 7, 3).input) == values(batch.input));
  CHECK(values(data.batch(5, 7, 4).input) != values(batch.input));
  CHECK(values(counting(1000, 2).batch(5, 7, 3).input) != values(batch.input));
}

TEST_CASE("Batches reach every window of the training part and none beyond it", "[tool]") {
  const Dataset data = counting(40);  // 36 to train on: with a context of 30 windows start at 0 … 5
  std::set<int32_t> starts;
  for (int64_t index = 0; index < 100; ++index) {
    const Batch batch = data.batch(2, 30, index);
    for (const int64_t row : {0, 1}) starts.insert(batch.input.data()[row * 30]);
  }
  CHECK(starts == std::set<int32_t>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("Validation windows do not overlap and are evenly spaced", "[tool]") {
  using Starts = std::vector<int64_t>;
  const Dataset data = counting(320);  // 32 to validate on
  CHECK(data.validation_starts(10, 200) == Starts{0, 10, 20});
  CHECK(data.validation_starts(31, 200) == Starts{0});
  CHECK(data.validation_starts(4, 200) == Starts{0, 4, 8, 12, 16, 20, 24});  // 28 would need token 32
  CHECK(data.validation_starts(4, 3) == Starts{0, 8, 16});                   // windows ⌊i·7/3⌋ = 0, 2, 4
  CHECK(data.validation_starts(4, 1) == Starts{0});

  const Starts some{10, 20};
  const Batch batch = data.validation_batch(some, 10);
  CHECK(batch.input.shape() == Shape{2, 10});
  CHECK(rows_are_windows(batch, 10));
  CHECK(batch.input.values()[0] == 288 + 10);
  CHECK(batch.target.values()[19] == 288 + 30);
}

TEST_CASE("The entropy of single tokens", "[tool]") {
  const std::vector<int32_t> even{0, 1, 2, 3, 3, 2, 1, 0};
  CHECK(tool::unigram_entropy(even, 4) == Approx(std::log(4.0)));
  CHECK(tool::unigram_entropy(even, 10) == Approx(std::log(4.0)));
  const std::vector<int32_t> uneven{0, 0, 0, 1};
  CHECK(tool::unigram_entropy(uneven, 2) == Approx(0.75 * std::log(4.0 / 3) + 0.25 * std::log(4.0)));
  const std::vector<int32_t> constant{2, 2, 2};
  CHECK(tool::unigram_entropy(constant, 3) == 0);
}

TEST_CASE("A Markov source has the entropies it says", "[tool]") {
  const tool::MarkovSource source(Seed{4});
  const auto vocab = static_cast<std::size_t>(tool::MarkovSource::vocab);
  const Batch batch = source.batch(200, 500, 3);
  CHECK(values(source.batch(200, 500, 3).input) == values(batch.input));
  CHECK(values(source.batch(200, 500, 4).input) != values(batch.input));

  // Measured: the entropy of single tokens, and of the next one given the last, from counts of pairs.
  std::vector<int32_t> pairs;
  for (int64_t i = 0; i < batch.input.size(); ++i) {
    pairs.push_back(batch.input.data()[i] * static_cast<int32_t>(vocab) + batch.target.data()[i]);
  }
  const double single = tool::unigram_entropy(batch.input.values(), tool::MarkovSource::vocab);
  const double pair = tool::unigram_entropy(pairs, tool::MarkovSource::vocab * tool::MarkovSource::vocab);
  CHECK(source.unigram_entropy() == Approx(single).margin(0.01));
  CHECK(source.entropy() == Approx(pair - single).margin(0.01));
  CHECK(source.entropy() < source.unigram_entropy());
  CHECK(std::ranges::equal(batch.target.values().first(499), batch.input.values().subspan(1, 499)));
}

}  // namespace tape::inline TAPE_ABI::test
