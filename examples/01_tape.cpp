// 01_tape: what automatic differentiation does. A graph by hand, the tape that records it, the way back along the tape,
// gradients checked against finite differences, and what happens to a tensor that is used twice.
//
//   build/release/bin/01_tape
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <string_view>

#include <tape/core/ops.h>
#include <tape/core/tape.h>

using namespace tape;

namespace {

void title(std::string_view text) {
  const auto starts = [](char c) { return (c & 0xC0) != 0x80; };  // UTF-8: not in the middle of a character
  fmt::print("\n{}\n{:-<{}}\n", text, "", std::count_if(text.begin(), text.end(), starts));
}

void print(const Tape& tape) {
  std::ostringstream text;
  tape.print(text);
  fmt::print("\n{}\n", text.str());
}

double at(const Tensor& x, int64_t i) {
  return static_cast<double>(x.values()[static_cast<std::size_t>(i)]);
}

// A neuron with two inputs and its squared error: L = (tanh(w·x + b) − t)².
Tensor loss_of(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& target) {
  const Tensor y = tanh(linear(x, w, b));
  const Tensor error = y - target;
  return sum(error * error);
}

// ∂L/∂v for element i of v, measured: how much L changes from v − h to v + h.
template <class Function>
double slope(const Function& f, const Tensor& v, int64_t i) {
  constexpr real h = 1e-2f;
  Tensor up = v.copy();
  Tensor down = v.copy();
  up.mutable_data()[i] += h;
  down.mutable_data()[i] -= h;
  return static_cast<double>(f(up).item() - f(down).item()) / (2 * static_cast<double>(h));
}

// One line of a comparison; returns false when the numbers do not agree.
bool compare(const std::string& what, double from_tape, const char* other_name, double other) {
  fmt::print("  {:<10} {:>10.6f} from the tape   {:>10.6f} {:<24} difference {:.0e}\n", what, from_tape, other,
             other_name, std::fabs(from_tape - other));
  return std::fabs(from_tape - other) <= 1e-3 * (1 + std::fabs(other));
}

bool one_neuron() {
  const Tensor x = Tensor::from({1, 2}, {0.5f, -1.0f});
  const Tensor w = Tensor::from({1, 2}, {0.8f, 0.3f});
  const Tensor b = Tensor::from({1}, {0.1f});
  const Tensor target = Tensor::from({1, 1}, {1.0f});
  bool agree = true;

  title("1. A graph by hand: L = (tanh(w·x + b) - t)²");
  Tape tape;  // from here on, ops are recorded
  const Tensor wx = tape.watch(x);
  const Tensor ww = tape.watch(w);
  const Tensor wb = tape.watch(b);
  const Tensor z = linear(wx, ww, wb);
  const Tensor y = tanh(z);
  const Tensor error = y - target;
  const Tensor loss = sum(error * error);
  for (const Tensor& kept : {z, y, error}) tape.retain(kept);
  fmt::print("  x = ({:.1f}, {:.1f})   w = ({:.1f}, {:.1f})   b = {:.1f}   t = {:.1f}\n", at(x, 0), at(x, 1), at(w, 0),
             at(w, 1), at(b, 0), 1.0);
  fmt::print("  z = w·x + b = {:.4f}   y = tanh(z) = {:.4f}   L = {:.4f}\n", at(z, 0), at(y, 0), at(loss, 0));

  title("2. The tape");
  fmt::print("Computing L left these notes. %0, %1 and %2 are x, w and b, which the tape was told to watch.\n");
  print(tape);
  fmt::print(
      "Each line is one op: its output's number and shape, and the numbers of its inputs. The target is a\n"
      "constant: nothing flows back to it. Inputs always stand above, so that the order of the notes is an order\n"
      "in which everything can be computed, and read backwards one in which all gradients can.\n");

  title("3. The way back");
  fmt::print(
      "backward() starts with dL/dL = 1 and goes through the notes from the last to the first. Each op knows one\n"
      "rule: given the gradient of its output, what are those of its inputs?\n\n");
  tape.backward(loss);
  const double e = at(error, 0);
  const double dz = 2 * e * (1 - at(y, 0) * at(y, 0));
  agree &= compare("dL/derror", at(tape.grad(error), 0), "2·error", 2 * e);
  agree &= compare("dL/dy", at(tape.grad(y), 0), "dL/derror", 2 * e);
  agree &= compare("dL/dz", at(tape.grad(z), 0), "dL/dy·(1 - y²)", dz);
  agree &= compare("dL/db", at(tape.grad(wb), 0), "dL/dz", dz);
  agree &= compare("dL/dw[0]", at(tape.grad(ww), 0), "dL/dz·x[0]", dz * at(x, 0));
  agree &= compare("dL/dx[0]", at(tape.grad(wx), 0), "dL/dz·w[0]", dz * at(w, 0));

  title("4. Is it true? Finite differences");
  fmt::print(
      "A gradient says how L changes when an input does. So change each input by h = 0.01, up and down, and look.\n"
      "A float has seven digits and L is curved, so that four digits of agreement are all one can ask for.\n\n");
  const NoRecord off;  // the tape has done its work
  const auto measured = [&](const char* name, const Tensor& gradient, const Tensor& value, const auto& f) {
    for (int64_t i = 0; i < value.size(); ++i) {
      agree &= compare(fmt::format("dL/d{}[{}]", name, i), at(gradient, i), "(L(+h) - L(-h)) / 2h", slope(f, value, i));
    }
  };
  measured("x", tape.grad(wx), x, [&](const Tensor& v) { return loss_of(v, w, b, target); });
  measured("w", tape.grad(ww), w, [&](const Tensor& v) { return loss_of(x, v, b, target); });
  measured("b", tape.grad(wb), b, [&](const Tensor& v) { return loss_of(x, w, v, target); });
  return agree;
}

bool used_twice() {
  title("5. A tensor that is used twice: f(a) = a·a + a at a = 3");
  Tape tape;
  const Tensor a = tape.watch(Tensor::scalar(3));
  const Tensor square = a * a;
  const Tensor f = square + a;
  print(tape);
  tape.backward(f);
  fmt::print(
      "a is an input three times, and what reaches f by each way counts. The first contribution sets the gradient,\n"
      "the others are added:  1 from the sum  +  3 and 3 from the product  =  2a + 1 = 7.\n\n");
  return compare("df/da", at(tape.grad(a), 0), "2a + 1", 7);
}

bool without_a_tape() {
  title("6. Without a tape nothing is recorded");
  const Tensor a = Tensor::scalar(3);
  const Tensor silent = a * a;  // plain arithmetic: no tape is alive
  Tape tape;
  const Tensor watched = tape.watch(a);
  const Tensor constant = a * a;  // neither input is watched
  {
    const NoRecord off;
    const Tensor suspended = watched * watched;
  }
  const Tensor recorded = watched * watched;
  fmt::print(
      "Of four products, one without a tape, one of constants, one under NoRecord and one of a watched tensor,\n"
      "the tape has {}:\n",
      tape.size());
  print(tape);
  return tape.size() == 1 && silent.item() == constant.item() && recorded.item() == 9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--help") {
    fmt::print("01_tape shows what automatic differentiation does; it takes no options.\n");
    return 0;
  }
  if (argc > 1) {
    fmt::print(stderr, "01_tape: it takes no options, given {}\n", argv[1]);
    return 2;
  }
  const bool neuron = one_neuron();
  const bool twice = used_twice();
  const bool silent = without_a_tape();
  const bool agree = neuron && twice && silent;
  fmt::print("\n{}\n", agree ? "All gradients agree." : "SOME GRADIENTS DO NOT AGREE.");
  fmt::print(
      "Next: 02_norm looks inside the norms; core/ops/activation.cpp shows ops with their backwards beside them.\n");
  return agree ? 0 : 1;
}
