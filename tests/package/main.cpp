// y = x·W, L = Σ y: the gradient of W is the column of inputs. Exits with 0 when it is.
#include <tape/core/ops.h>
#include <tape/core/tape.h>

int main() {
  tape::Tape tape;
  const tape::Tensor w = tape.watch(tape::Tensor::from({2, 1}, {1, 1}));
  const tape::Tensor loss = tape::sum(tape::matmul(tape::Tensor::from({1, 2}, {3, 4}), w));
  tape.backward(loss);
  const tape::Tensor gradient = tape.grad(w);
  return loss.item() == 7 && gradient.values()[0] == 3 && gradient.values()[1] == 4 ? 0 : 1;
}
