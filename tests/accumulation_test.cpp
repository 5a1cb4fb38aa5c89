// Gradient accumulation: several batches make the gradient of one large batch, however many of their targets count.
#include <algorithm>

#include <tape/core/ops.h>
#include <tape/core/tape.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr int32_t ignored = -100;
constexpr int64_t time = 8;

// Six rows in which 8, 1, 0, 3, 8 and 8 targets count.
Ids uneven_targets() {
  Ids targets = random_ids({6, time}, 11, 2);
  std::fill_n(targets.mutable_data() + 1 * time, time - 1, ignored);
  std::fill_n(targets.mutable_data() + 2 * time, time, ignored);
  std::fill_n(targets.mutable_data() + 3 * time + 2, time - 3, ignored);
  return targets;
}

struct Accumulated {
  double loss = 0;
  std::vector<Tensor> gradients;
};

// Batches of different sizes, one of them without a target that counts.
constexpr int64_t borders[] = {0, 2, 3, 6};

template <class Loss>
Accumulated accumulate(const nn::GPT& gpt, const Ids& ids, const Ids& targets, const Loss& loss_of) {
  Accumulated result;
  for (std::size_t i = 0; i + 1 < std::size(borders); ++i) {
    const Ids target = targets.rows(borders[i], borders[i + 1]);
    Tape tape;
    const Tensor logits = gpt(ids.rows(borders[i], borders[i + 1]), nn::training(0));
    const Tensor loss = loss_of(logits, target);
    result.loss += static_cast<double>(loss.item());
    tape.backward(loss);
  }
  result.gradients = take_gradients(nn::parameters(gpt));
  return result;
}

double largest_difference(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, difference(a[i], b[i], 1e-3));
  return largest;
}

}  // namespace

TEST_CASE("accumulated batches make the gradient of one batch, with ignored targets and unequal sizes",
          "[loss][accumulation]") {
  const nn::GPT gpt({.vocab = 11, .context = time, .layers = 2, .heads = 2, .width = 16}, Seed{1});
  randomize(nn::parameters(gpt), 3, 0.3);
  const Ids ids = random_ids({6, time}, 11, 1);
  const Ids targets = uneven_targets();
  const StepResult whole = training_step(gpt, ids, targets, nn::training(0));

  const auto counted = static_cast<double>(count_targets(targets));
  CHECK(counted == 28);
  const Accumulated right = accumulate(gpt, ids, targets, [&](const Tensor& logits, const Ids& target) {
    return cross_entropy(logits, target, {.divisor = counted});
  });
  CHECK(right.loss == Approx(static_cast<double>(whole.loss.item())).epsilon(1e-6));
  CHECK(largest_difference(right.gradients, whole.gradients) < 1e-5);

  // The widespread mistake: the mean of the batches' means.
  const Accumulated wrong = accumulate(gpt, ids, targets, [&](const Tensor& logits, const Ids& target) {
    const auto own = static_cast<double>(std::max<int64_t>(1, count_targets(target)));
    return scale(cross_entropy(logits, target, {.divisor = own}), 1.0 / 3);
  });
  CHECK(largest_difference(wrong.gradients, whole.gradients) > 0.1);
}

TEST_CASE("a divisor replaces the number of targets that count", "[loss][accumulation]") {
  const Tensor logits = random_tensor({6, 5}, 1);
  Ids targets = random_ids({6}, 5, 2);
  targets.mutable_data()[4] = ignored;
  CHECK(count_targets(targets) == 5);
  CHECK(count_targets(targets, targets.data()[0]) < 6);
  const double mean = static_cast<double>(cross_entropy(logits, targets).item());
  CHECK(static_cast<double>(cross_entropy(logits, targets, {.divisor = 5}).item()) == Approx(mean));
  CHECK(static_cast<double>(cross_entropy(logits, targets, {.divisor = 1}).item()) == Approx(5 * mean));
}

TEST_CASE("a batch without a target that counts adds nothing to a step", "[loss][accumulation]") {
  const Ids none = Ids::from({2}, {ignored, ignored});
  const ValueAndGradients result = differentiate(
      [&](const Inputs& x) { return cross_entropy(x[0], none, {.divisor = 7}); }, {random_tensor({2, 5}, 1)});
  CHECK(result.value.item() == 0);
  CHECK(same_bits(result.gradients[0], Tensor::zeros({2, 5})));
}

TEST_CASE("a divisor out of range is refused", "[loss][errors]") {
  const Tensor logits = Tensor::zeros({1, 3});
  CHECK(has_parts(error_of([&] { cross_entropy(logits, Ids({1}), {.divisor = -1}); }),
                  {"cross_entropy: divisor", "at least 0", "it is -1"}));
  CHECK(has_parts(error_of([&] { cross_entropy(logits, Ids::from({1}, {ignored})); }), {"no target counts"}));
}

}  // namespace tape::inline TAPE_ABI::test
