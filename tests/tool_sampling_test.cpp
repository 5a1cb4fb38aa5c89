// Sampling: the distribution of tokens, greedy choice, top-k, seeds, and a model's context as a sliding window.
#include <tape/core/ops.h>
#include <tape/examples/support/sampling.h>

#include <cmath>
#include <limits>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

using tool::choose_token;
using tool::SampleOptions;

namespace {

// How often each token is chosen, for u in equal steps through [0, 1).
std::vector<double> shares(const std::vector<real>& scores, const SampleOptions& options) {
  constexpr int draws = 10000;
  std::vector<double> result(scores.size());
  for (int i = 0; i < draws; ++i) {
    result[static_cast<std::size_t>(choose_token(scores, options, (i + 0.5) / draws))] += 1.0 / draws;
  }
  return result;
}

std::vector<int32_t> generated(const nn::GPT& gpt, std::vector<int32_t> tokens, const SampleOptions& options) {
  std::vector<int32_t> result;
  tool::generate(gpt, std::move(tokens), options, [&](int32_t token) { result.push_back(token); });
  return result;
}

nn::GPT small_model() {
  nn::GPT gpt({.vocab = 9, .context = 5, .layers = 1, .heads = 2, .width = 8}, Seed{1});
  randomize(nn::parameters(gpt), 2);
  return gpt;
}

}  // namespace

TEST_CASE("Tokens are drawn from the softmax of the scores over the temperature", "[tool]") {
  const auto log_of = [](double p) { return static_cast<real>(std::log(p)); };
  const std::vector<real> scores{log_of(0.2), log_of(0.5), log_of(0.3)};
  const std::vector<double> plain = shares(scores, {.temperature = 1});
  CHECK(plain[0] == Approx(0.2).margin(2e-4));
  CHECK(plain[1] == Approx(0.5).margin(2e-4));
  CHECK(plain[2] == Approx(0.3).margin(2e-4));

  const std::vector<double> cold = shares(scores, {.temperature = 0.5});  // p², normalised
  CHECK(cold[0] == Approx(0.04 / 0.38).margin(2e-4));
  CHECK(cold[1] == Approx(0.25 / 0.38).margin(2e-4));

  const std::vector<double> two = shares(scores, {.temperature = 1, .top_k = 2});
  CHECK(two[0] == 0);
  CHECK(two[1] == Approx(0.5 / 0.8).margin(2e-4));
  CHECK(shares(scores, {.temperature = 1, .top_k = 1})[1] == Approx(1));
  CHECK(shares(scores, {.temperature = 1, .top_k = 99}) == plain);
}

TEST_CASE("At temperature 0 the best token is chosen, of equal ones the first", "[tool]") {
  const std::vector<real> scores{1, 3, 2, 3};
  CHECK(choose_token(scores, {.temperature = 0}, 0.999) == 1);
  CHECK(choose_token(scores, {.temperature = 0, .top_k = 3}, 0) == 1);
  CHECK(choose_token(scores, {.temperature = 1e-300}, 0.25) == 1);  // so cold that other weights vanish
  CHECK(choose_token(scores, {.temperature = 1e-300}, 0.75) == 3);
  const std::vector<real> extreme{-1e30f, 1e30f, 0};
  CHECK(choose_token(extreme, {.temperature = 1}, 0.999) == 1);
}

TEST_CASE("Scores that are not finite are an error", "[tool]") {
  const std::vector<real> scores{0, std::numeric_limits<real>::quiet_NaN()};
  CHECK(has_parts(error_of([&] { choose_token(scores, {}, 0.5); }), {"not finite", "damaged"}));
}

TEST_CASE("Generated tokens depend on the seed and on nothing else that varies", "[tool]") {
  const nn::GPT gpt = small_model();
  const SampleOptions options{.tokens = 40, .temperature = 1};
  const std::vector<int32_t> tokens = generated(gpt, {1}, options);
  CHECK(tokens.size() == 40);
  CHECK(generated(gpt, {1}, options) == tokens);
  CHECK(generated(gpt, {1}, {.tokens = 40, .temperature = 1, .seed = Seed{2}}) != tokens);
  const std::vector<int32_t> shorter = generated(gpt, {1}, {.tokens = 15, .temperature = 1});
  CHECK(shorter == std::vector<int32_t>(tokens.begin(), tokens.begin() + 15));
  CHECK(generated(gpt, {1}, {.tokens = 0}).empty());
}

TEST_CASE("The model sees the last tokens that fit its context", "[tool]") {
  const nn::GPT gpt = small_model();
  const SampleOptions greedy{.tokens = 1, .temperature = 0};
  const std::vector<int32_t> last{3, 1, 4, 1, 5};
  const Tensor scores = gpt(Ids::from({1, 5}, last), nn::evaluation());
  const int32_t best = choose_token(scores.values().last(9), greedy, 0);
  CHECK(generated(gpt, last, greedy) == std::vector<int32_t>{best});
  CHECK(generated(gpt, {8, 8, 8, 3, 1, 4, 1, 5}, greedy) == std::vector<int32_t>{best});
}

TEST_CASE("Options of sampling out of range are refused by name", "[tool]") {
  CHECK(has_parts(error_of([] { tool::check({.tokens = -1}); }), {"tokens"}));
  CHECK(has_parts(error_of([] { tool::check({.temperature = -0.1}); }), {"temperature"}));
  CHECK(has_parts(error_of([] { tool::check({.temperature = std::nan("")}); }), {"temperature"}));
  CHECK(has_parts(error_of([] { tool::check({.top_k = -2}); }), {"top-k"}));
  CHECK(has_parts(error_of([] { generated(small_model(), {}, {}); }), {"at least one token"}));
}

}  // namespace tape::inline TAPE_ABI::test
