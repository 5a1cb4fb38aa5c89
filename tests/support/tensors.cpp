#include "support/tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <tape/core/bf16.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

#include "catch.h"

namespace tape::inline TAPE_ABI::test {

namespace {

// In [0, 1), the same on every platform, unlike std::uniform_real_distribution.
double unit(std::mt19937_64& engine) {
  return static_cast<double>(engine() >> 11) * 0x1p-53;
}

}  // namespace

Tensor random_tensor(const Shape& shape, uint64_t seed, double low, double high) {
  std::mt19937_64 engine(seed);
  Tensor x = Tensor::uninitialized(shape);
  std::generate_n(x.mutable_data(), x.size(), [&] { return static_cast<real>(low + (high - low) * unit(engine)); });
  return x;
}

Tensor random_away_from_zero(const Shape& shape, uint64_t seed, double gap) {
  Tensor x = random_tensor(shape, seed);
  for (int64_t i = 0; i < x.size(); ++i) {
    const double value = x.data()[i];
    x.mutable_data()[i] = static_cast<real>(value < 0 ? -gap + value * (1 - gap) : gap + value * (1 - gap));
  }
  return x;
}

Ids random_ids(const Shape& shape, int32_t count, uint64_t seed) {
  std::mt19937_64 engine(seed);
  Ids ids(shape);
  std::generate_n(ids.mutable_data(), ids.size(), [&] { return static_cast<int32_t>(unit(engine) * count); });
  return ids;
}

Tensor rounded(const Tensor& x) {
  Tensor y = x.copy();
  for (int64_t i = 0; i < y.size(); ++i) y.mutable_data()[i] = to_f32(round_to_bf16(static_cast<float>(x.data()[i])));
  return y;
}

Parameter parameter_of(const Tensor& value, const std::string& name) {
  Parameter parameter(value.shape(), Init{}, true);
  std::ranges::copy(value.values(), parameter->data());
  parameter->name = name;
  parameter->initialized = true;
  return parameter;
}

double difference(const Tensor& a, const Tensor& b, double floor) {
  if (!a || !b || !(a.shape() == b.shape())) return std::numeric_limits<double>::infinity();
  double worst = 0;
  double scale = floor;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double x = a.data()[i];
    const double y = b.data()[i];
    if (std::isnan(x) || std::isnan(y)) return std::numeric_limits<double>::infinity();
    if (x != y) worst = std::max(worst, std::abs(x - y));  // equal infinities differ by nothing
    scale = std::max(scale, std::abs(y));
  }
  return worst == 0 ? 0 : worst / scale;
}

int64_t different_bits(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  int64_t count = 0;
  for (int64_t i = 0; i < a.size(); ++i) count += std::memcmp(a.data() + i, b.data() + i, sizeof(real)) != 0;
  return count;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return static_cast<bool>(a) == static_cast<bool>(b) && a.shape() == b.shape() && different_bits(a, b) == 0;
}

Tensor cotangent(const Shape& shape, uint64_t seed) {
  Tensor dy = random_tensor(shape, seed * 1000003 + 17);
  for (int64_t i = 0; i < dy.size(); ++i) dy.mutable_data()[i] += dy.data()[i] < 0 ? real{-0.5} : real{0.5};
  return dy;
}

ValueAndGradients differentiate(const Function& f, const Inputs& inputs, const Tensor& dy) {
  Tape tape;
  Inputs watched;
  for (const Tensor& x : inputs) watched.push_back(tape.watch(x));
  ValueAndGradients result;
  result.value = f(watched);
  tape.backward(result.value, dy ? dy : cotangent(result.value.shape(), 1));
  for (const Tensor& x : watched) result.gradients.push_back(tape.grad(x));
  return result;
}

ValueAndGradients differentiate(const Function& f, const Inputs& inputs, uint64_t seed) {
  return differentiate(f, inputs, cotangent(f(inputs).shape(), seed));
}

void poison_pool() {
  constexpr real nan = std::numeric_limits<real>::quiet_NaN();
  std::vector<Tensor> blocks;
  for (int64_t size = 16; size <= int64_t{1} << 18; size += std::max<int64_t>(16, size / 8)) {
    for (int copy = 0; copy < 6; ++copy) blocks.push_back(Tensor::full({size}, nan));
  }
}

Threads::Threads(int count) : before_(threads()) {
  set_threads(count);
}
Threads::~Threads() {
  set_threads(before_);
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  FAIL_CHECK("no Error was thrown");
  return {};
}

bool has_parts(const std::string& message, std::initializer_list<std::string> parts) {
  return std::ranges::all_of(parts, [&](const std::string& part) {
    const bool found = message.find(part) != std::string::npos;
    if (!found) UNSCOPED_INFO("\"" << part << "\" is missing in \"" << message << "\"");
    return found;
  });
}

}  // namespace tape::inline TAPE_ABI::test
