// Recomputation: the same bits as without it, with less memory between forward and backward.
#include <tape/core/checkpoint.h>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

// A small feed-forward block with dropout: enough to need its own intermediate values in backward.
struct Block {
  Parameter up = parameter_of(random_tensor({64, 16}, 1), "up");
  Parameter down = parameter_of(random_tensor({16, 64}, 2), "down");

  Tensor operator()(const Tensor& x, Random& random) const {
    return add(x, linear(dropout(gelu(linear(x, up)), 0.25, random), down));
  }
};

struct Step {
  Tensor value, dx, dup, ddown, after;
};

// Two blocks in a row and a draw after them, with or without recomputation.
Step step(const Block& block, bool recompute) {
  for (const Parameter* p : {&block.up, &block.down}) (*p)->has_gradient = false;
  Random random(Seed{1}, 2);
  Tape tape;
  const Tensor x = tape.watch(random_tensor({10, 16}, 3));
  const auto run = [&](const Tensor& in) {
    const auto f = [&](const Tensor& t) { return block(t, random); };
    return recompute ? checkpoint(f, in, &random) : f(in);
  };
  const Tensor y = dropout(run(run(x)), 0.25, random);
  tape.backward(y, cotangent(y.shape(), 4));
  return {y, tape.grad(x), block.up->gradient_tensor().copy(), block.down->gradient_tensor().copy(),
          dropout(Tensor::full({50}, 1), 0.5, random)};
}

}  // namespace

TEST_CASE("checkpoint gives the same bits as the plain function, with dropout too", "[checkpoint]") {
  const Block block;
  const Step plain = step(block, false);
  const Step again = step(block, true);
  CHECK(same_bits(plain.value, again.value));
  CHECK(same_bits(plain.dx, again.dx));
  CHECK(same_bits(plain.dup, again.dup));
  CHECK(same_bits(plain.ddown, again.ddown));
  CHECK(same_bits(plain.after, again.after));  // draws go on as if nothing had been computed twice
}

TEST_CASE("checkpoint records one node and keeps only its input", "[checkpoint][storage]") {
  const Block block;
  Random random(Seed{1}, 2);
  const auto kept_bytes = [&](bool recompute) {
    Tape tape;
    const Tensor x = tape.watch(random_tensor({500, 16}, 3));
    const std::size_t before = pool_stats().bytes_in_use;
    const auto f = [&](const Tensor& t) { return block(t, random); };
    const Tensor y = recompute ? checkpoint(f, x, &random) : f(x);
    CHECK((tape.size() == 1) == recompute);
    return pool_stats().bytes_in_use - before;
  };
  CHECK(kept_bytes(true) < 500 * 16 * sizeof(real) * 5 / 4);  // the output alone
  CHECK(kept_bytes(false) > 500 * 64 * sizeof(real));
}

TEST_CASE("checkpoint reaches parameters also when its input is a constant", "[checkpoint]") {
  const Block block;
  const Tensor x = random_tensor({3, 16}, 5);
  Tape tape;
  const Tensor y = checkpoint([&](const Tensor& t) { return linear(t, block.up); }, x);
  tape.backward(sum(y));
  CHECK(block.up->has_gradient);
  Tape plain;
  const Tensor expected = block.up->gradient_tensor().copy();
  block.up->has_gradient = false;
  plain.backward(sum(linear(x, block.up)));
  CHECK(same_bits(block.up->gradient_tensor(), expected));
}

TEST_CASE("checkpoints nest", "[checkpoint]") {
  const Function nested = [](const Inputs& in) {
    return checkpoint([](const Tensor& a) { return checkpoint([](const Tensor& b) { return b * exp(b); }, a * a); },
                      in[0]);
  };
  const Function plain = [](const Inputs& in) {
    const Tensor b = in[0] * in[0];
    return b * exp(b);
  };
  const Inputs x = {random_tensor({9}, 6)};
  const ValueAndGradients a = differentiate(nested, x);
  const ValueAndGradients b = differentiate(plain, x);
  CHECK(same_bits(a.value, b.value));
  CHECK(same_bits(a.gradients[0], b.gradients[0]));
}

TEST_CASE("checkpoint without a tape only computes", "[checkpoint]") {
  int runs = 0;
  const Tensor y = checkpoint(
      [&](const Tensor& t) {
        ++runs;
        return exp(t);
      },
      Tensor::zeros({2}));
  CHECK(runs == 1);
  CHECK(same_bits(y, Tensor::full({2}, 1)));
  CHECK(has_parts(error_of([] { checkpoint([](const Tensor& t) { return t; }, Tensor()); }),
                  {"checkpoint", "empty", "checkpoint_test.cpp:"}));
}

TEST_CASE("checkpoint of a function that hands its input on", "[checkpoint]") {
  const ValueAndGradients r = differentiate(
      [](const Inputs& in) { return checkpoint([](const Tensor& t) { return t; }, in[0]); }, {random_tensor({4}, 7)});
  CHECK(same_bits(r.gradients[0], cotangent({4}, 1)));
}

}  // namespace tape::test
