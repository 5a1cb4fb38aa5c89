// softmax, log_softmax and cross_entropy: values by hand, extreme logits, messages.
#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

constexpr real infinity = std::numeric_limits<real>::infinity();
const double ln2 = std::log(2.0);

real loss(const Tensor& logits, const Ids& targets, const CrossEntropyOptions& options = {}) {
  return cross_entropy(logits, targets, options).item();
}

}  // namespace

TEST_CASE("softmax and log_softmax by hand", "[softmax]") {
  const auto l = [](double p) { return static_cast<real>(std::log(p)); };
  const Tensor x = Tensor::from({2, 3}, {l(1), l(2), l(5), l(300), l(300), l(600)});
  CHECK(difference(softmax(x), Tensor::from({2, 3}, {0.125f, 0.25f, 0.625f, 0.25f, 0.25f, 0.5f})) < 1e-6);
  CHECK(difference(log_softmax(x), Tensor::from({2, 3}, {l(0.125), l(0.25), l(0.625), l(0.25), l(0.25), l(0.5)})) <
        1e-6);
  CHECK(same_bits(softmax(Tensor::from({1}, {7})), Tensor::from({1}, {1})));
  CHECK(log_softmax(Tensor::from({1}, {7})).data()[0] == 0);
}

TEST_CASE("softmax of extreme logits does not overflow", "[softmax]") {
  const Tensor y = softmax(Tensor::from({3, 3}, {1e30f, 0, -1e30f, 1000, 1000, -1000, -1e30f, -1e30f, -1e30f}));
  CHECK(difference(y, Tensor::from({3, 3}, {1, 0, 0, 0.5f, 0.5f, 0, 1 / 3.0f, 1 / 3.0f, 1 / 3.0f})) < 1e-6);
  const Tensor l = log_softmax(Tensor::from({1, 2}, {0, 200}));
  CHECK(l.data()[0] == Approx(-200));
  CHECK(l.data()[1] == 0);
}

TEST_CASE("softmax of a row without a finite number is NaN, and of the lowest numbers is not", "[softmax]") {
  const Tensor y = softmax(Tensor::full({1, 20}, -infinity));
  CHECK(std::ranges::all_of(y.values(), [](real v) { return std::isnan(v); }));
  constexpr real lowest = std::numeric_limits<real>::lowest();
  CHECK(difference(softmax(Tensor::full({1, 20}, lowest)), Tensor::full({1, 20}, 0.05f)) < 1e-6);
}

TEST_CASE("Rows of softmax sum to one and do not see a shift", "[softmax]") {
  const Tensor x = random_tensor({64, 1000}, 1, -6, 6);
  const Tensor y = softmax(x);
  // Sums of 1,000 terms, whose roundings depend on how the compiler vectorises them.
  CHECK(difference(sum_last(y), Tensor::full({64}, 1)) < 1e-5);
  CHECK(difference(softmax(x + Tensor::full(x.shape(), 8)), y) < 1e-5);
}

TEST_CASE("cross_entropy by hand", "[loss]") {
  const Tensor uniform = Tensor::zeros({2, 4});
  CHECK(loss(uniform, Ids::from({2}, {0, 3})) == Approx(2 * ln2).epsilon(1e-6));
  const auto l = [](double p) { return static_cast<real>(std::log(p)); };
  const Tensor x = Tensor::from({2, 2}, {l(0.25), l(0.75), l(0.5), l(0.5)});
  CHECK(loss(x, Ids::from({2}, {0, 1})) == Approx((2 * ln2 + ln2) / 2).epsilon(1e-6));
  CHECK(loss(x, Ids::from({2}, {0, -100})) == Approx(2 * ln2).epsilon(1e-6));  // the mean over those that count
  CHECK(loss(x, Ids::from({2}, {1, 0}), {.ignore_index = 0}) == Approx(-std::log(0.75)).epsilon(1e-6));
  // Smoothing: (1-ε)·(-ln p_t) + ε·mean(-ln p).
  const double smoothed = 0.8 * -std::log(0.25) + 0.2 * 0.5 * (-std::log(0.25) - std::log(0.75));
  CHECK(loss(x, Ids::from({2}, {0, -100}), {.label_smoothing = 0.2}) == Approx(smoothed).epsilon(1e-6));
  CHECK(loss(uniform, Ids::from({2}, {0, 3}), {.label_smoothing = 1}) == Approx(2 * ln2).epsilon(1e-6));
  CHECK(cross_entropy(Tensor::zeros({3, 5, 2}), Ids({3, 5})).item() == Approx(ln2));
  CHECK(cross_entropy(Tensor::zeros({2}), Ids::from({}, {1})).item() == Approx(ln2));
}

TEST_CASE("cross_entropy of extreme logits does not overflow", "[loss]") {
  CHECK(loss(Tensor::from({1, 2}, {1e30f, 0}), Ids::from({1}, {0})) == 0);
  CHECK(loss(Tensor::from({1, 2}, {-500, 500}), Ids::from({1}, {0})) == Approx(1000));
  CHECK(loss(Tensor::from({1, 2}, {0, -infinity}), Ids::from({1}, {0})) == 0);
  CHECK(loss(Tensor::from({1, 2}, {0, -infinity}), Ids::from({1}, {1})) == infinity);
}

TEST_CASE("cross_entropy says which target is wrong", "[loss][errors]") {
  const Tensor x = Tensor::zeros({3, 4});
  CHECK(has_parts(error_of([&] {
                    loss(x, Ids::from({3}, {0, 4, 1}));
                  }),
                  {"cross_entropy: ", "target 4", "row 1", "below 4", "(3, 4)", "-100", "ops_loss_test.cpp:"}));
  CHECK(has_parts(error_of([&] { loss(x, Ids::from({3}, {0, 1, -1})); }), {"target -1", "row 2"}));
  CHECK(has_parts(error_of([&] { loss(x, Ids({2})); }), {"targets (2)", "logits (3, 4)", "ops_loss_test.cpp:"}));
  CHECK(has_parts(error_of([&] { loss(x, Ids({3, 1})); }), {"targets (3, 1)", "logits (3, 4)"}));
  CHECK(has_parts(error_of([&] { loss(x, Ids::from({3}, {-100, -100, -100})); }), {"no target counts", "3", "-100"}));
  CHECK(has_parts(error_of([&] { loss(x, Ids({3}), {.label_smoothing = 1.5}); }), {"label_smoothing", "1.5"}));
  CHECK(has_parts(error_of([&] { loss(Tensor(), Ids({3})); }), {"cross_entropy: ", "empty"}));
  CHECK(has_parts(error_of([&] { loss(Tensor::zeros({3, 0}), Ids({3})); }), {"cross_entropy: ", "(3, 0)"}));
  CHECK(has_parts(error_of([&] { softmax(Tensor::zeros({3, 0})); }), {"softmax: ", "(3, 0)", "ops_loss_test.cpp:"}));
  CHECK(has_parts(error_of([&] { log_softmax(Tensor::scalar(1)); }), {"log_softmax: ", "()", "ops_loss_test.cpp:"}));
}

}  // namespace tape::test
