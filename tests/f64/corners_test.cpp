// Gradients where a function has a corner or a row has no spread: what the contracts in core/ops promise.
#include <cmath>
#include <limits>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/gradcheck.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("layer_norm of a row of equal numbers gives its bias and the gradient (g - mean g)/sqrt(eps)", "[norm]") {
  const int64_t width = 6;
  const double eps = 0.01;
  const Tensor w = random_tensor({width}, 1, 0.5, 2);
  const Tensor bias = random_tensor({width}, 2);
  const Tensor dy = cotangent({2, width}, 3);
  for (const double level : {0.0, 1.0, 1450.0}) {
    const Tensor x = Tensor::full({2, width}, level);
    const Function f = [&](const Inputs& in) { return layer_norm(in[0], in[1], in[2], eps); };
    const ValueAndGradients result = differentiate(f, {x, w, bias}, dy);
    for (int64_t row = 0; row < 2; ++row) {
      double mean = 0;
      for (int64_t c = 0; c < width; ++c) mean += w.data()[c] * dy.data()[row * width + c] / width;
      for (int64_t c = 0; c < width; ++c) {
        const int64_t i = row * width + c;
        CHECK(result.value.data()[i] == Approx(bias.data()[c]));
        CHECK(result.gradients[0].data()[i] == Approx((w.data()[c] * dy.data()[i] - mean) / std::sqrt(eps)));
      }
    }
    CHECK(difference(result.gradients[1], Tensor::zeros({width})) == 0);
    check_gradients([&](const Inputs& in) { return layer_norm(in[0], w, bias, eps); }, {x},
                    GradCheckOptions{.step = 2e-4});
  }
}

TEST_CASE("rms_norm of a row of zeros gives its bias and the gradient g/sqrt(eps)", "[norm]") {
  const int64_t width = 5;
  const double eps = 0.01;
  const Tensor w = random_tensor({width}, 4, 0.5, 2);
  const Tensor bias = random_tensor({width}, 5);
  const Tensor dy = cotangent({1, width}, 6);
  const Tensor x = Tensor::zeros({1, width});
  const ValueAndGradients result =
      differentiate([&](const Inputs& in) { return rms_norm(in[0], in[1], in[2], eps); }, {x, w, bias}, dy);
  for (int64_t c = 0; c < width; ++c) {
    CHECK(result.value.data()[c] == Approx(bias.data()[c]));
    CHECK(result.gradients[0].data()[c] == Approx(w.data()[c] * dy.data()[c] / std::sqrt(eps)));
    CHECK(result.gradients[1].data()[c] == 0);
  }
  check_gradients([&](const Inputs& in) { return rms_norm(in[0], w, bias, eps); }, {x}, GradCheckOptions{.step = 2e-4});
}

TEST_CASE("relu has derivative 0 at 0", "[activation]") {
  const Tensor dy = Tensor::full({3}, 1);
  const ValueAndGradients r =
      differentiate([](const Inputs& x) { return relu(x[0]); }, {Tensor::from({3}, {-1, 0, 2})}, dy);
  CHECK(same_bits(r.gradients[0], Tensor::from({3}, {0, 0, 1})));
}

TEST_CASE("sqrt and log have infinite derivatives at 0", "[elementwise]") {
  const Tensor zero = Tensor::zeros({1});
  const Tensor one = Tensor::full({1}, 1);
  CHECK(differentiate([](const Inputs& x) { return sqrt(x[0]); }, {zero}, one).gradients[0].item() == infinity);
  const ValueAndGradients r = differentiate([](const Inputs& x) { return log(x[0]); }, {zero}, one);
  CHECK(r.value.item() == -infinity);
  CHECK(r.gradients[0].item() == infinity);
}

TEST_CASE("softmax gives hidden positions probability 0 and no gradient", "[softmax]") {
  const Tensor x = Tensor::from({1, 4}, {0.5, -infinity, 1.5, -infinity});
  const ValueAndGradients r = differentiate([](const Inputs& in) { return softmax(in[0]); }, {x});
  const ValueAndGradients seen =
      differentiate([](const Inputs& in) { return softmax(in[0]); }, {Tensor::from({1, 2}, {0.5, 1.5})},
                    Tensor::from({1, 2}, {cotangent({1, 4}, 1).data()[0], cotangent({1, 4}, 1).data()[2]}));
  CHECK(r.value.data()[1] == 0);
  CHECK(r.gradients[0].data()[1] == 0);
  CHECK(r.value.data()[2] == Approx(seen.value.data()[1]));
  CHECK(r.gradients[0].data()[2] == Approx(seen.gradients[0].data()[1]));
}

TEST_CASE("A query that sees no key gets zeros and gives no gradient", "[attention]") {
  const Tensor q = random_tensor({1, 3, 4}, 7);
  const Tensor k = random_tensor({1, 2, 4}, 8);
  const Tensor v = random_tensor({1, 2, 4}, 9);
  AttentionOptions options{.heads = 2};
  options.mask = Tensor::from({3, 2}, {0, 0, -infinity, -infinity, 0.5, -infinity});
  const Function f = [&](const Inputs& x) { return attention(x[0], x[1], x[2], options); };
  const ValueAndGradients r = differentiate(f, {q, k, v});
  for (int64_t c = 0; c < 4; ++c) {
    CHECK(r.value.data()[4 + c] == 0);
    CHECK(r.gradients[0].data()[4 + c] == 0);
  }
  check_gradients(f, {q, k, v});
  // The other queries behave as if it were not there.
  const Function without = [&](const Inputs& x) {
    AttentionOptions two{.heads = 2};
    two.mask = Tensor::from({2, 2}, {0, 0, 0.5, -infinity});
    const Tensor queries = concatenate({slice(x[0], 1, 0, 1), slice(x[0], 1, 2, 3)}, 1);
    return attention(queries, x[1], x[2], two);
  };
  const Tensor dy = cotangent({1, 3, 4}, 1);
  const ValueAndGradients w =
      differentiate(without, {q, k, v}, concatenate({slice(dy, 1, 0, 1), slice(dy, 1, 2, 3)}, 1));
  CHECK(difference(r.gradients[1], w.gradients[1]) < 1e-14);
  CHECK(difference(r.gradients[2], w.gradients[2]) < 1e-14);

  AttentionOptions padded{.heads = 2};
  padded.key_lengths = Ids::from({1}, {0});
  const ValueAndGradients none =
      differentiate([&](const Inputs& x) { return attention(x[0], x[1], x[2], padded); }, {q, k, v});
  CHECK(same_bits(none.value, Tensor::zeros({1, 3, 4})));
  for (const Tensor& g : none.gradients) CHECK(same_bits(g, Tensor::zeros(g.shape())));
}

TEST_CASE("A causal query with fewer keys than queries may see none", "[attention]") {
  // S < T: query t sees keys 0 … t+S-T, so the first T-S queries see nothing.
  const Tensor q = random_tensor({1, 4, 2}, 10);
  const Tensor k = random_tensor({1, 3, 2}, 11);
  const Tensor v = random_tensor({1, 3, 2}, 12);
  const Function f = [](const Inputs& x) { return attention(x[0], x[1], x[2], {.heads = 1, .causal = true}); };
  const Tensor y = f({q, k, v});
  CHECK(y.data()[0] == 0);
  CHECK(y.data()[1] == 0);
  CHECK(y.data()[2] == Approx(v.data()[0]));  // query 1 sees key 0 alone
  check_gradients(f, {q, k, v});
}

TEST_CASE("cross_entropy's gradient sums to zero over each row that counts and is zero on ignored rows", "[loss]") {
  const Ids targets = Ids::from({3}, {1, -100, 0});
  const ValueAndGradients r = differentiate([&](const Inputs& x) { return cross_entropy(x[0], targets); },
                                            {random_tensor({3, 4}, 13, -3, 3)}, Tensor::scalar(1));
  for (int64_t row = 0; row < 3; ++row) {
    double total = 0;
    for (int64_t c = 0; c < 4; ++c) total += r.gradients[0].data()[row * 4 + c];
    CHECK(std::abs(total) < 1e-15);
  }
  for (int64_t c = 0; c < 4; ++c) CHECK(r.gradients[0].data()[4 + c] == 0);
  CHECK(r.gradients[0].data()[1] < 0);
}

}  // namespace tape::inline TAPE_ABI::test
