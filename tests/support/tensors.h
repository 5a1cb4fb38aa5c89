// Tensors for tests: random ones, comparisons, and the golden files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI::test {

/// Uniform numbers in [low, high) from the standard library's Mersenne Twister: independent of the library's own
/// random numbers.
Tensor random_tensor(const Shape& shape, uint64_t seed, double low = -1, double high = 1);
/// Like random_tensor, with |x| in [gap, 1) and a random sign: for functions with a kink at 0.
Tensor random_away_from_zero(const Shape& shape, uint64_t seed, double gap = 0.1);
/// Uniform numbers in 0 … count-1.
Ids random_ids(const Shape& shape, int32_t count, uint64_t seed);

/// Every number rounded to bf16.
Tensor rounded(const Tensor& x);

/// A parameter with the given values.
Parameter parameter_of(const Tensor& value, const std::string& name);

/// max |a - b| / max(max |b|, floor); infinity for different shapes or any NaN. 0/0 counts as 0.
double difference(const Tensor& a, const Tensor& b, double floor = 0);
/// Equal shapes and equal bits, so that NaN equals NaN and 0 differs from -0.
bool same_bits(const Tensor& a, const Tensor& b);
/// Number of elements whose bits differ. Shapes must agree.
int64_t different_bits(const Tensor& a, const Tensor& b);

/// A function of some tensors: what gradient checks and comparisons work on.
using Inputs = std::vector<Tensor>;
using Function = std::function<Tensor(const Inputs&)>;

/// The value of f and the gradients of all inputs for the cotangent dy.
struct ValueAndGradients {
  Tensor value;
  Inputs gradients;
};
ValueAndGradients differentiate(const Function& f, const Inputs& inputs, const Tensor& dy);
/// The same for the cotangent cotangent(shape of y, seed).
ValueAndGradients differentiate(const Function& f, const Inputs& inputs, uint64_t seed = 1);
/// A random cotangent: numbers of magnitude 0.5 … 1.5 and random sign. Never a constant, which would make the gradients
/// of softmax and of normalisation vanish.
Tensor cotangent(const Shape& shape, uint64_t seed);

/// Fills the memory that waits in the pool with NaN, so that an op that reads what it has not written shows it.
void poison_pool();

/// Sets the number of threads, and puts it back.
class Threads {
 public:
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

/// The message of the Error that action throws; fails the test when it throws none.
std::string error_of(const std::function<void()>& action);
/// True when `message` has every one of `parts`; otherwise tells which one is missing.
bool has_parts(const std::string& message, std::initializer_list<std::string> parts);

}  // namespace tape::inline TAPE_ABI::test
