// What backward closures do without: results of cheap ops are made again, to the same bits, and take no memory between.
#include <tape/core/tape.h>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/peak_memory.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

// y = x, whose closure compares what it saved with a copy that was there all the time.
Tensor check_saved(const Tensor& x, int& checked, int64_t& different) {
  const Op op("check_saved", Where::here());
  const Tensor copy = x.copy();
  return op.record(x.copy(), {&x}, [&checked, &different, copy, saved = Saved(x)](Backward& b) {
    different += different_bits(b.value(saved), copy);
    ++checked;
    b.pass(0);
  });
}

}  // namespace

TEST_CASE("Results of activations, gates and norms are made again with the same bits", "[tape][saved]") {
  const Tensor x = random_tensor({37, 65}, 1, -4, 4);
  const Parameter gain = parameter_of(random_tensor({65}, 2), "gain");
  const Parameter bias = parameter_of(random_tensor({65}, 3), "bias");
  const Parameter factor = parameter_of(random_tensor({1}, 4, 0.5, 1), "factor");
  int checked = 0;
  int64_t different = 0;
  Tape tape;
  const Tensor in = tape.watch(x);
  Tensor sum_of_all;
  for (const Tensor& y :
       {relu(in), gelu(in), gelu_tanh(in), silu(in), squared_relu(in), swiglu(in, in), geglu(in, in), reglu(in, in),
        layer_norm(in, gain, bias), rms_norm(in, gain, bias), layer_norm(gelu(in), gain, bias), scale_norm(in, factor),
        scale_norm(gelu(in), factor), dyt(in, factor, gain, bias), dyt(gelu(in), factor, gain, {}),
        derf(in, factor, factor, gain, bias), derf(gelu(in), factor, factor, {}, bias)}) {
    const Tensor again = check_saved(check_saved(y, checked, different) + y, checked, different);
    sum_of_all = sum_of_all ? sum_of_all + again : again;
  }
  tape.backward(sum(sum_of_all));
  CHECK(checked == 34);
  CHECK(different == 0);
}

TEST_CASE("A linear layer's input takes no memory until backward where it can be made again", "[tape][saved]") {
  const Tensor x = random_tensor({256, 64}, 1);
  const Parameter up = parameter_of(random_tensor({256, 64}, 2), "up");
  const Parameter down = parameter_of(random_tensor({64, 256}, 3), "down");
  const auto bytes_kept = [&](auto activation) {
    Tape tape;
    const std::size_t before = pool_stats().bytes_in_use;
    const Tensor pre = linear(tape.watch(x), up, {});
    const Tensor y = linear(activation(pre), down, {});
    const std::size_t kept = pool_stats().bytes_in_use - before;
    tape.backward(sum(y));
    return kept;
  };
  const std::size_t hidden = 256 * 256 * sizeof(real);
  const std::size_t cheap = bytes_kept([](const Tensor& t) { return gelu(t); });
  const Parameter factor = parameter_of(random_tensor({1}, 4, 0.5, 1), "factor");
  const std::size_t squashed = bytes_kept([&](const Tensor& t) { return dyt(t, factor, {}, {}); });
  const std::size_t shifted = bytes_kept([&](const Tensor& t) { return derf(t, factor, factor, {}, {}); });
  const std::size_t scaled = bytes_kept([&](const Tensor& t) { return scale_norm(t, factor); });
  const std::size_t dear = bytes_kept([](const Tensor& t) { return tanh(t); });  // its own backward needs the result
  for (const std::size_t kept : {cheap, squashed, shifted, scaled}) CHECK(kept < hidden + hidden / 2);
  CHECK(dear > 2 * hidden);
}

TEST_CASE("A linear layer's backward gives back what it has used before it asks for more", "[tape][saved]") {
  const Tensor x = random_tensor({256, 1024}, 1);
  const Parameter w = parameter_of(random_tensor({4096, 1024}, 2, -0.1, 0.1), "w");
  const std::size_t most = peak_memory_of([&] {
    Tape tape;
    const Tensor y = sum(linear_activated(pointwise::gelu, tape.watch(x), w, {}));
    tape.backward(y);
  });
  // dz, dW and dx together; the pre-activation, as large as dz, was gone when dW came.
  const std::size_t needed = sizeof(real) * 1024 * (4 * 256 + 4096 + 256);
  CHECK(most >= needed);
  CHECK(most < needed + sizeof(real) * 1024 * 256);
}

TEST_CASE("Gradients are the same whether the input of a layer is kept or made again", "[tape][saved]") {
  const Tensor x = random_tensor({20, 8}, 1);
  const Parameter w = parameter_of(random_tensor({8, 8}, 2), "w");
  const auto gradient_of_w = [&](bool made_again) {
    Tape tape;
    const Tensor hidden = gelu(tape.watch(x));
    // A reshaped tensor is none that a cheap op made.
    const Tensor y = linear(made_again ? hidden : reshape(hidden, {4, 5, 8}), w, {});
    tape.backward(sum(multiply(y, y)));
    const Tensor gradient = w->gradient_tensor().copy();
    w->has_gradient = false;
    return gradient;
  };
  CHECK(same_bits(gradient_of_w(true), gradient_of_w(false)));
}

TEST_CASE("A gradient that someone else keeps is not overwritten", "[tape][saved]") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::from({3}, {-1, 0.5, 2}));
  const Tensor y = gelu(x);
  tape.retain(y);
  const Tensor dy = Tensor::from({3}, {1, 2, 3});
  tape.backward(y, dy);
  CHECK(same_bits(dy, Tensor::from({3}, {1, 2, 3})));
  CHECK(same_bits(tape.grad(y), dy));
  CHECK_FALSE(same_bits(tape.grad(x), dy));
}

TEST_CASE("The gradient of logits takes their place only when nobody else has them", "[tape][saved]") {
  const Tensor x = random_tensor({6, 4}, 1);
  const Parameter w = parameter_of(random_tensor({9, 4}, 2), "w");
  const Ids target = random_ids({6}, 9, 3);
  const auto gradient = [&](bool held) {
    Tape tape;
    const Tensor logits = linear(x, w, {});
    const Tensor before = logits.copy();
    const Tensor loss = cross_entropy(held ? logits : linear(x, w, {}), target);
    tape.backward(loss);
    CHECK(same_bits(logits, before));
    const Tensor g = w->gradient_tensor().copy();
    w->has_gradient = false;
    return g;
  };
  CHECK(same_bits(gradient(true), gradient(false)));
}

}  // namespace tape::test
