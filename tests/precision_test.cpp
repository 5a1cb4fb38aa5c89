// Linear layers in bf16: what is rounded and what is not, that nothing rounded is ever old, and who is refused.
#include <tape/core/precision.h>

#include <array>

#include <tape/core/bf16.h>
#include <tape/core/onednn.h>
#include <tape/core/ops/loss.h>
#include <tape/core/tape.h>
#include <tape/nn/gpt.h>
#include <tape/nn/linear.h>
#include <tape/nn/mixture.h>
#include <tape/optim/adam.h>

#include "catch.h"
#include "support/nn_models.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

nn::Linear layer(Precision precision) {
  nn::Linear linear(5, 3);
  nn::initialize(linear, Seed{1});
  randomize(nn::parameters(linear), 2);
  nn::set_precision(linear, precision);
  return linear;
}

nn::ModelConfig small_config() {
  return {.vocab = 17, .context = 12, .layers = 2, .heads = 2, .width = 16};
}

}  // namespace

TEST_CASE("A precision has a name", "[precision]") {
  for (const Precision p : {Precision::f32, Precision::bf16, Precision::bf16_emulated})
    CHECK(precision(name_of(p)) == p);
  CHECK(has_parts(error_of([] { precision("half"); }), {"\"half\"", "f32, bf16, bf16-emulated"}));
}

TEST_CASE("bf16 is refused where it can not be, with the reason and the way out", "[precision]") {
  check(Precision::f32);
  check(Precision::bf16_emulated);
  if (onednn::has_bf16()) {
    check(Precision::bf16);
    return;
  }
  const std::string message = error_of([] { layer(Precision::bf16); });
  CHECK(has_parts(message, {"bf16", "bf16-emulated", "f32"}));
  CHECK(has_parts(message, {onednn::description().empty() ? "libdnnl-dev" : "AVX-512"}));
}

TEST_CASE("A linear layer with its activation in bf16 agrees with its parts", "[precision]") {
  for (const Precision p : {Precision::bf16_emulated, Precision::bf16}) {
    if (p == Precision::bf16 && !onednn::has_bf16()) continue;
    for (const auto& [rows, in, out] : {std::array<int64_t, 3>{1, 3, 5}, {70, 33, 129}, {1100, 40, 300}}) {
      INFO(name_of(p) << " " << rows << " x " << in << " x " << out);
      nn::Linear layer(in, out);
      nn::initialize(layer, Seed{1});
      randomize(nn::parameters(layer), 2);
      nn::set_precision(layer, p);
      const Tensor x = random_tensor({rows, in}, 3);
      const Tensor dy = random_tensor({rows, out}, 4);
      const auto results = [&](auto&& f) {
        Tape tape;
        const Tensor input = tape.watch(x);
        const Tensor y = f(input);
        tape.backward(y, dy);
        std::vector<Tensor> all{y.copy(), tape.grad(input)};
        for (const Tensor& g : take_gradients(nn::parameters(layer))) all.push_back(g);
        return all;
      };
      const auto fused = results([&](const Tensor& t) { return layer.activated(pointwise::gelu, t); });
      const auto parts = results([&](const Tensor& t) { return gelu(layer(t)); });
      for (std::size_t i = 0; i < fused.size(); ++i) CHECK(different_bits(fused[i], parts[i]) == 0);
    }
  }
}

TEST_CASE("A linear layer in emulated bf16 multiplies rounded numbers, and adds what is not rounded", "[precision]") {
  const nn::Linear exact = layer(Precision::f32);
  const nn::Linear low = layer(Precision::bf16_emulated);
  const Tensor x = random_tensor({2, 4, 5}, 3);
  const Tensor dy = random_tensor({2, 4, 3}, 4);

  Tape tape;
  const Tensor input = tape.watch(x);
  const Tensor y = low(input);
  tape.backward(y, dy);

  Tape expected;
  const Tensor rx = expected.watch(rounded(x));
  const Tensor rw = expected.watch(rounded(exact.weight.value()));
  CHECK(difference(y, linear(rx, rw, exact.bias)) < 1e-6);
  const Tensor again = linear(rx, rw);
  expected.backward(again, rounded(dy));
  CHECK(difference(tape.grad(input), expected.grad(rx)) < 1e-6);
  CHECK(difference(low.weight->gradient_tensor(), expected.grad(rw)) < 1e-6);
  Tensor db = Tensor::zeros({3});
  for (int64_t r = 0; r < 8; ++r) {
    for (int64_t c = 0; c < 3; ++c) db.mutable_data()[c] += dy.data()[r * 3 + c];
  }
  CHECK(difference(low.bias->gradient_tensor(), db) < 1e-6);
  CHECK(difference(y, exact(x)) > 1e-4);
}

TEST_CASE("After a change of the values nothing rounded before is used", "[precision]") {
  const nn::Linear low = layer(Precision::bf16_emulated);
  const Tensor x = random_tensor({4, 5}, 3);
  const auto is_new = [&] {
    return difference(low(x), linear(rounded(x), rounded(low.weight.value()), low.bias)) < 1e-6;
  };
  const auto backward = [&] {
    Tape tape;
    tape.backward(low(x), random_tensor({4, 3}, 5));
  };
  CHECK(is_new());

  optim::AdamW adamw(nn::parameters(low));
  backward();
  const Tensor before = low(x);
  adamw.step(0.5);
  CHECK(is_new());
  CHECK(difference(low(x), before) > 0.1);

  const TempFolder folder;
  const nn::Linear other = layer(Precision::f32);
  nn::save(folder / "other.safetensors", other);
  nn::load(folder / "other.safetensors", low);
  CHECK(is_new());

  low.weight->data()[0] = 100;
  CHECK(is_new());

  // Between forward and backward the numbers of forward count.
  Tape tape;
  const Tensor input = tape.watch(x);
  const Tensor y = low(input);
  const Tensor w = rounded(low.weight.value());
  low.weight->data()[0] = -100;
  tape.backward(y, Tensor::full({4, 3}, 1));
  CHECK(difference(tape.grad(input), matmul(Tensor::full({4, 3}, 1), w)) < 1e-5);
}

TEST_CASE("The precision of a model reaches its linear layers and its tied head, not its router", "[precision]") {
  const nn::GPT gpt(small_config(), Seed{1});
  const Ids ids = random_ids({3, 12}, 17, 1);
  const Tensor exact = gpt(ids, nn::evaluation());
  nn::set_precision(gpt, Precision::bf16_emulated);
  const Tensor low = gpt(ids, nn::evaluation());
  CHECK(difference(low, exact) > 1e-4);
  CHECK(difference(low, exact) < 0.05);
  nn::set_precision(gpt, Precision::f32);
  CHECK(same_bits(gpt(ids, nn::evaluation()), exact));

  nn::FeedForwardConfig config{.width = 8, .hidden = 16};
  config.mixture.experts = 3;
  const nn::Mixture mixture(config, {});
  nn::set_precision(mixture, Precision::bf16_emulated);
  CHECK(mixture.router.weight->precision == Precision::f32);
  CHECK(mixture.experts[0].up.weight->precision == Precision::bf16_emulated);
}

}  // namespace tape::test
