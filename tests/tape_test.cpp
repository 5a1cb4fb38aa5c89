// The tape: what it records, how it is unwound, and where gradients arrive.
#include <tape/core/tape.h>

#include <cmath>
#include <limits>
#include <sstream>

#include <tape/core/ops.h>

#include "catch.h"
#include "support/peak_memory.h"
#include "support/tensors.h"

namespace tape::test {

TEST_CASE("Without a tape nothing is recorded", "[tape]") {
  const Parameter w = parameter_of(Tensor::from({2}, {1, 2}), "w");
  CHECK(Tape::current() == nullptr);
  const Tensor y = add(w, w);
  Tape tape;
  CHECK(Tape::current() == &tape);
  CHECK(tape.size() == 0);
  CHECK(has_parts(error_of([&] { tape.backward(sum(y)); }), {"backward", "not on this tape"}));
  CHECK_FALSE(w->has_gradient);
}

TEST_CASE("A tape records ops on tracked tensors and leaves out constants", "[tape]") {
  const Tensor constant = Tensor::from({2}, {3, 4});
  Tape tape;
  const Tensor x = tape.watch(Tensor::from({2}, {1, 2}));
  exp(constant);
  CHECK(tape.size() == 0);
  const Tensor y = multiply(x, constant);
  REQUIRE(tape.size() == 1);
  const NodeInfo& node = tape.node(0);
  CHECK(std::string(node.op) == "multiply");
  CHECK(node.shape == Shape{2});
  CHECK(node.inputs == 2);
  CHECK(tape.input(node.first_input) >= 0);
  CHECK(tape.input(node.first_input + 1) == -1);
  exp(y.detach());
  exp(y.copy());
  CHECK(tape.size() == 1);
  tape.backward(sum(y));
  CHECK(same_bits(tape.grad(x), constant));
}

TEST_CASE("NoRecord suspends recording in its scope", "[tape]") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::full({3}, 2));
  Tensor inside;
  {
    const NoRecord suspended;
    CHECK(Tape::current() == nullptr);
    inside = multiply(x, x);
  }
  CHECK(Tape::current() == &tape);
  CHECK(tape.size() == 0);
  tape.backward(sum(multiply(x, inside)));  // what was computed there is a constant
  CHECK(same_bits(tape.grad(x), Tensor::full({3}, 4)));
}

TEST_CASE("Tapes nest: the innermost records, and tensors of the outer one are constants to it", "[tape]") {
  Tape outer;
  const Tensor x = outer.watch(Tensor::full({2}, 3));
  const Tensor y = multiply(x, x);
  {
    Tape inner;
    CHECK(Tape::current() == &inner);
    const Tensor z = inner.watch(Tensor::full({2}, 5));
    inner.backward(sum(multiply(y, z)));
    CHECK(same_bits(inner.grad(z), Tensor::full({2}, 9)));
    CHECK(inner.size() == 2);
    CHECK(has_parts(error_of([&] { static_cast<void>(inner.grad(x)); }), {"grad", "(2)", "not on this tape"}));
  }
  CHECK(Tape::current() == &outer);
  CHECK(outer.size() == 1);
  outer.backward(sum(y));
  CHECK(same_bits(outer.grad(x), Tensor::full({2}, 6)));
}

TEST_CASE("A tensor of a tape that ended is a constant", "[tape]") {
  Tensor old;
  {
    Tape tape;
    old = exp(tape.watch(Tensor::zeros({2})));
  }
  Tape tape;
  const Tensor x = tape.watch(Tensor::zeros({2}));
  add(old, old);
  CHECK(tape.size() == 0);
  tape.backward(sum(add(x, old)));
  CHECK(same_bits(tape.grad(x), Tensor::full({2}, 1)));
}

TEST_CASE("Watched and retained tensors have a gradient after backward, and others must be asked for", "[tape]") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::from({2}, {1, 2}));
  const Tensor unused = tape.watch(Tensor::zeros({3}));
  const Tensor kept = multiply(x, x);
  const Tensor dropped = scale(kept, 3);
  tape.retain(kept);
  CHECK(has_parts(error_of([&] { static_cast<void>(tape.grad(x)); }), {"Tape::grad", "backward() first"}));
  tape.backward(sum(dropped));
  CHECK(same_bits(tape.grad(x), Tensor::from({2}, {6, 12})));
  CHECK(same_bits(tape.grad(kept), Tensor::from({2}, {3, 3})));
  CHECK(same_bits(tape.grad(unused), Tensor::zeros({3})));
  CHECK(has_parts(error_of([&] { static_cast<void>(tape.grad(dropped)); }),
                  {"Tape::grad", "retain()", "tape_test.cpp:"}));
  CHECK(has_parts(error_of([&] { tape.retain(dropped); }), {"Tape::retain", "before backward()", "tape_test.cpp:"}));
  CHECK(has_parts(error_of([&] { tape.retain(Tensor::zeros({4})); }), {"Tape::retain", "(4)", "tape_test.cpp:"}));
}

TEST_CASE("The output itself can be retained", "[tape]") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::from({2}, {1, 2}));
  const Tensor y = scale(x, 2);
  tape.retain(y);
  tape.backward(y, Tensor::from({2}, {10, 20}));
  CHECK(same_bits(tape.grad(y), Tensor::from({2}, {10, 20})));
  CHECK(same_bits(tape.grad(x), Tensor::from({2}, {20, 40})));
}

TEST_CASE("A tape is unwound once, from one number or from a gradient of the same shape", "[tape][errors]") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::zeros({2, 3}));
  const Tensor y = scale(x, 2);
  CHECK(has_parts(error_of([&] { tape.backward(y); }), {"one number", "(2, 3)", "sum()", "tape_test.cpp:"}));
  CHECK(has_parts(error_of([&] { tape.backward(y, Tensor::zeros({3})); }), {"dy (3)", "y (2, 3)", "tape_test.cpp:"}));
  CHECK(has_parts(error_of([&] { tape.backward(Tensor()); }), {"not on this tape"}));
  CHECK(has_parts(error_of([&] { tape.backward(Tensor::scalar(1)); }), {"not on this tape"}));
  tape.backward(y, Tensor::full({2, 3}, 1));
  CHECK(same_bits(tape.grad(x), Tensor::full({2, 3}, 2)));
  CHECK(has_parts(error_of([&] { tape.backward(sum(y)); }), {"already unwound", "tape_test.cpp:"}));
}

TEST_CASE("A chain of 200,000 nodes unwinds", "[tape]") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::full({1}, 1));
  Tensor y = x;
  for (int i = 0; i < 100000; ++i) y = scale(scale(y, 2), 0.5);
  CHECK(tape.size() == 200000);
  tape.backward(y);
  CHECK(tape.grad(x).item() == 1);
}

TEST_CASE("A sum of many uses of one tensor has the sum of their gradients", "[tape]") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::from({2}, {1, 2}));
  Tensor total = x;
  for (int i = 0; i < 1000; ++i) total = add(total, x);
  tape.backward(total, Tensor::from({2}, {1, 3}));
  CHECK(same_bits(tape.grad(x), Tensor::from({2}, {1001, 3003})));
}

TEST_CASE("Gradients that share storage never change each other", "[tape]") {
  const Tensor start = Tensor::from({3}, {1, -2, 3});
  const Tensor dy = Tensor::from({3}, {1, 10, 100});
  const auto gradient = [&](const std::function<Tensor(const Tensor&)>& f) {
    return differentiate([&](const Inputs& in) { return f(in[0]); }, {start}, dy).gradients[0];
  };
  const auto times = [&](double factor) { return scale(dy, factor); };
  CHECK(same_bits(gradient([](const Tensor& x) { return add(x, x); }), times(2)));
  CHECK(same_bits(gradient([](const Tensor& x) { return add(add(x, x), x); }), times(3)));
  CHECK(same_bits(gradient([](const Tensor& x) { return add(x, scale(x, 4)); }), times(5)));
  CHECK(same_bits(gradient([](const Tensor& x) { return add(scale(x, 4), x); }), times(5)));
  CHECK(same_bits(gradient([](const Tensor& x) {
                    const Tensor y = x;  // NOLINT: another handle on the same tensor
                    const Tensor z = add(x, y);
                    return add(z, add(z, scale(y, 2)));
                  }),
                  times(6)));
  CHECK(same_bits(gradient([](const Tensor& x) {
                    Tensor y = x;
                    for (int layer = 0; layer < 5; ++layer) y = add(y, scale(y, 2));  // residual layers: each triples
                    return y;
                  }),
                  times(243)));
  CHECK(same_bits(gradient([](const Tensor& x) {
                    return reshape(add(reshape(x, {1, 3}), reshape(x, {1, 3})), {3});
                  }),
                  times(2)));
  CHECK(same_bits(dy, Tensor::from({3}, {1, 10, 100})));  // the caller's gradient is only read
}

TEST_CASE("Two retained tensors with one shared gradient keep their own", "[tape]") {
  Tape tape;
  const Tensor x = tape.watch(Tensor::from({2}, {1, 2}));
  const Tensor a = scale(x, 2);
  const Tensor b = scale(x, 3);
  tape.retain(a);
  tape.retain(b);
  const Tensor s = add(a, b);
  tape.retain(s);
  tape.backward(add(s, a), Tensor::from({2}, {1, 1}));
  CHECK(same_bits(tape.grad(s), Tensor::from({2}, {1, 1})));
  CHECK(same_bits(tape.grad(b), Tensor::from({2}, {1, 1})));
  CHECK(same_bits(tape.grad(a), Tensor::from({2}, {2, 2})));
  CHECK(same_bits(tape.grad(x), Tensor::from({2}, {7, 7})));
}

TEST_CASE("Gradients of parameters add up over backward passes until they are taken", "[tape][parameter]") {
  const Parameter w = parameter_of(Tensor::from({2}, {1, 2}), "w");
  const auto pass = [&](const Tensor& input) {
    Tape tape;
    tape.backward(sum(multiply(w, input)));
  };
  pass(Tensor::from({2}, {1, 10}));
  CHECK(same_bits(w->gradient_tensor(), Tensor::from({2}, {1, 10})));
  const real* place = w->gradient_data();
  pass(Tensor::from({2}, {2, 20}));
  CHECK(same_bits(w->gradient_tensor(), Tensor::from({2}, {3, 30})));
  w->has_gradient = false;  // as after an optimizer's step: the next contribution overwrites
  pass(Tensor::from({2}, {5, 50}));
  CHECK(same_bits(w->gradient_tensor(), Tensor::from({2}, {5, 50})));
  CHECK(w->gradient_data() == place);
}

TEST_CASE("A parameter used several times is one leaf", "[tape][parameter]") {
  const Parameter w = parameter_of(Tensor::from({2}, {3, 4}), "w");
  Tape tape;
  const Tensor first = w;
  const Tensor second = w;
  tape.backward(sum(add(multiply(first, second), w)));
  CHECK(same_bits(w->gradient_tensor(), Tensor::from({2}, {7, 9})));
}

TEST_CASE("Many parameters on one tape keep their gradients apart", "[tape][parameter]") {
  std::vector<Parameter> parameters;
  for (int i = 0; i < 1000; ++i) parameters.push_back(parameter_of(Tensor::full({1}, static_cast<real>(i)), "p"));
  Tape tape;
  Tensor total = Tensor::zeros({1});
  for (std::size_t i = 0; i < parameters.size(); ++i) total = axpy(static_cast<double>(i), parameters[i], total);
  for (std::size_t i = 0; i < parameters.size(); ++i) total = add(total, parameters[i]);
  tape.backward(total);
  int wrong = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    wrong += parameters[i]->gradient_tensor().item() != static_cast<real>(i + 1);
  }
  CHECK(wrong == 0);
}

TEST_CASE("Frozen parameters get no gradient and cost no node", "[tape][parameter]") {
  const Parameter frozen = parameter_of(Tensor::from({2}, {1, 2}), "frozen");
  const Parameter free = parameter_of(Tensor::from({2}, {3, 4}), "free");
  frozen->frozen = true;
  Tape tape;
  const Tensor constant = exp(frozen);
  CHECK(tape.size() == 0);
  tape.backward(sum(multiply(constant, multiply(frozen, free))));
  CHECK_FALSE(frozen->has_gradient);
  CHECK(free->has_gradient);
}

TEST_CASE("A parameter that the loss does not depend on gets no gradient", "[tape][parameter]") {
  const Parameter used = parameter_of(Tensor::full({1}, 1), "used");
  const Parameter beside = parameter_of(Tensor::full({1}, 1), "beside");
  Tape tape;
  exp(beside);
  tape.backward(exp(used));
  CHECK(used->has_gradient);
  CHECK_FALSE(beside->has_gradient);
}

TEST_CASE("A tape prints one line for each op, with the names of parameters", "[tape]") {
  const Parameter w = parameter_of(random_tensor({3, 2}, 1), "blocks.0.weight");
  Tape tape;
  const Tensor x = tape.watch(random_tensor({4, 2}, 2));
  add(linear(x, w), Tensor::zeros({4, 3}));
  std::ostringstream out;
  tape.print(out);
  CHECK(out.str() == "   %2 = linear (4, 3)  ← %0, blocks.0.weight\n   %3 = add (4, 3)  ← %2, constant\n");
}

TEST_CASE("The profile sums calls and costs by kind of op, and survives backward", "[tape]") {
  Tape tape;
  const Tensor x = tape.watch(random_tensor({8, 4}, 1));
  const Tensor w = random_tensor({4, 5}, 2);
  tape.backward(sum(add(matmul(x, w), matmul(x, w))));
  const std::vector<OpProfile> profile = tape.profile();
  CHECK(profile.size() == 3);
  double most = std::numeric_limits<double>::infinity();
  for (const OpProfile& op : profile) {
    CHECK(op.forward_ms >= 0);
    CHECK(op.forward_ms + op.backward_ms <= most);  // most expensive first
    most = op.forward_ms + op.backward_ms;
    if (op.op != "matmul") continue;
    CHECK(op.calls == 2);
    CHECK(op.cost.flops == 2 * 2.0 * 8 * 4 * 5);
    CHECK(op.cost.bytes == 2 * sizeof(real) * (8.0 * 4 + 4 * 5 + 8 * 5));
  }
}

TEST_CASE("Saved tensors go back to the pool while the tape unwinds", "[tape][storage]") {
  constexpr int64_t size = 1 << 16;
  const std::size_t before = pool_stats().bytes_in_use;
  Tape tape;
  {
    Tensor y = tape.watch(Tensor::full({size}, 1));
    for (int i = 0; i < 20; ++i) y = tape::tanh(y);
    CHECK(pool_stats().bytes_in_use - before >= 20 * size * sizeof(real));
    tape.backward(sum(y));
  }
  // The watched tensor's gradient is all that is left, while the tape is still there to be looked at.
  CHECK(pool_stats().bytes_in_use - before < 2 * size * sizeof(real));
  CHECK(tape.size() == 21);
}

TEST_CASE("Backward needs memory for a few gradients at a time, however long the chain", "[tape][storage]") {
  constexpr int64_t size = 1 << 16;
  Tape tape;
  Tensor y = tape.watch(Tensor::full({size}, 1));
  for (int i = 0; i < 50; ++i) y = tape::tanh(y);
  const Tensor loss = sum(y);
  CHECK(peak_memory_of([&] { tape.backward(loss); }) < 4 * size * sizeof(real));
}

TEST_CASE("An exception between forward and backward leaves the thread as it was", "[tape]") {
  const std::size_t before = pool_stats().bytes_in_use;
  try {
    Tape tape;
    const Tensor x = tape.watch(Tensor::zeros({1000}));
    exp(x);
    add(x, Tensor::zeros({7}));
  } catch (const Error&) {
    CHECK(Tape::current() == nullptr);
  }
  CHECK(pool_stats().bytes_in_use == before);
}

}  // namespace tape::test
