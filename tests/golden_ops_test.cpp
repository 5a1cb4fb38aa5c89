// Every op that PyTorch has too against PyTorch: values and gradients of all inputs. The numbers come from
// tests/golden/ops.py, where the cases stand again.
#include <algorithm>
#include <functional>
#include <limits>
#include <map>

#include <tape/core/ops.h>
#include <tape/core/safetensors.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

// Float rounding, relative to the largest element of each tensor.
constexpr double tolerance = 3e-6;

using In = const Inputs&;
using GoldenIds = std::vector<Ids>;
using Case = std::function<Tensor(In, const GoldenIds&)>;

// The mask that ops.py means by integers: 0 hides, others are added.
Tensor mask_of(const Ids& ids) {
  Tensor mask = Tensor::uninitialized(ids.shape());
  std::ranges::transform(ids.values(), mask.mutable_data(), [](int32_t value) {
    return value == 0 ? -std::numeric_limits<real>::infinity() : static_cast<real>(value);
  });
  return mask;
}

AttentionOptions heads(int64_t count, bool causal = false) {
  AttentionOptions options;
  options.heads = count;
  options.causal = causal;
  return options;
}

Tensor masked(In x, const Ids& mask) {
  AttentionOptions options = heads(2);
  options.mask = mask_of(mask);
  return attention(x[0], x[1], x[2], options);
}

Tensor padded(In x) {
  AttentionOptions options = heads(2);
  options.key_lengths = Ids::from({2}, {2, 4});
  return attention(x[0], x[1], x[2], options);
}

Tensor cross(In x) {
  AttentionOptions options = heads(2);
  options.scale = 0.9;
  return attention(x[0], x[1], x[2], options);
}

void add_elementwise(std::map<std::string, Case>& cases) {
  const auto unary = [&](const char* name, Tensor (*op)(const Tensor&, Where)) {
    cases[name] = [=](In x, const GoldenIds&) { return op(x[0], Where::here()); };
  };
  unary("exp", exp);
  unary("log", log);
  unary("sqrt", sqrt);
  unary("relu", relu);
  unary("gelu", gelu);
  unary("gelu_tanh", gelu_tanh);
  unary("silu", silu);
  unary("sigmoid", sigmoid);
  unary("tanh", tape::tanh);
  unary("sum", sum);
  unary("mean", mean);
  unary("sum_last", sum_last);
  unary("mean_last", mean_last);
  unary("softmax", softmax);
  unary("log_softmax", log_softmax);
  cases["add"] = [](In x, const GoldenIds&) { return x[0] + x[1]; };
  cases["subtract"] = [](In x, const GoldenIds&) { return x[0] - x[1]; };
  cases["multiply"] = [](In x, const GoldenIds&) { return x[0] * x[1]; };
  cases["divide"] = [](In x, const GoldenIds&) { return x[0] / x[1]; };
  cases["axpy"] = [](In x, const GoldenIds&) { return axpy(2.5, x[0], x[1]); };
  cases["scale"] = [](In x, const GoldenIds&) { return scale(x[0], -1.75); };
  cases["add_bias"] = [](In x, const GoldenIds&) { return add_bias(x[0], x[1]); };
}

void add_products(std::map<std::string, Case>& cases) {
  const auto product = [&](const char* name, Transpose ta, Transpose tb) {
    cases[name] = [=](In x, const GoldenIds&) { return matmul(x[0], x[1], ta, tb); };
  };
  product("matmul", Transpose::no, Transpose::no);
  product("matmul.batched", Transpose::no, Transpose::no);
  product("matmul.transpose_a", Transpose::yes, Transpose::no);
  product("matmul.transpose_b", Transpose::no, Transpose::yes);
  product("matmul.transpose_both", Transpose::yes, Transpose::yes);
  cases["linear"] = [](In x, const GoldenIds&) { return linear(x[0], x[1], x[2]); };
  cases["linear.without_bias"] = [](In x, const GoldenIds&) { return linear(x[0], x[1]); };
  cases["layer_norm"] = [](In x, const GoldenIds&) { return layer_norm(x[0], x[1], x[2], 1e-5); };
  cases["layer_norm.plain"] = [](In x, const GoldenIds&) { return layer_norm(x[0], {}, {}, 1e-3); };
  cases["rms_norm"] = [](In x, const GoldenIds&) { return rms_norm(x[0], x[1], {}, 1e-6); };
}

void add_attention(std::map<std::string, Case>& cases) {
  cases["attention"] = [](In x, const GoldenIds&) { return attention(x[0], x[1], x[2], heads(2)); };
  cases["attention.causal"] = [](In x, const GoldenIds&) { return attention(x[0], x[1], x[2], heads(2, true)); };
  cases["attention.cache"] = [](In x, const GoldenIds&) { return attention(x[0], x[1], x[2], heads(3, true)); };
  cases["attention.cross"] = [](In x, const GoldenIds&) { return cross(x); };
  cases["attention.lengths"] = [](In x, const GoldenIds&) { return padded(x); };
  cases["attention.mask"] = [](In x, const GoldenIds& i) { return masked(x, i[0]); };
  cases["attention.masks"] = [](In x, const GoldenIds& i) { return masked(x, i[0]); };
  cases["attention_packed.causal"] = [](In x, const GoldenIds&) { return attention_packed(x[0], heads(3, true)); };
  cases["rotary"] = [](In x, const GoldenIds&) {
    return rotary(x[0], {.heads = 2, .head_size = 4, .base = 50, .first_position = 2});
  };
}

std::map<std::string, Case> all_cases() {
  std::map<std::string, Case> cases;
  add_elementwise(cases);
  add_products(cases);
  add_attention(cases);
  cases["embedding"] = [](In x, const GoldenIds& i) { return embedding(x[0], i[0]); };
  cases["gather_rows"] = [](In x, const GoldenIds& i) { return gather_rows(x[0], i[0]); };
  cases["cross_entropy"] = [](In x, const GoldenIds& i) { return cross_entropy(x[0], i[0]); };
  cases["cross_entropy.ignored"] = cases["cross_entropy"];
  cases["cross_entropy.smoothed"] = [](In x, const GoldenIds& i) {
    return cross_entropy(x[0], i[0], {.label_smoothing = 0.1});
  };
  cases["reshape"] = [](In x, const GoldenIds&) { return reshape(x[0], {6, 6}); };
  for (int axis = 0; axis < 3; ++axis) {
    cases[str("concatenate.", axis)] = [=](In x, const GoldenIds&) { return concatenate({x[0], x[1]}, axis); };
    cases[str("slice.", axis)] = [=](In x, const GoldenIds&) { return slice(x[0], axis, 1, 3); };
  }
  return cases;
}

}  // namespace

TEST_CASE("Every op agrees with PyTorch in value and gradients", "[golden]") {
  const SafetensorsFile file = SafetensorsFile::open(TAPE_GOLDEN_DIR "/ops.safetensors");
  for (const auto& [name, function] : all_cases()) {
    INFO(name);
    REQUIRE(file.contains(name + ".out"));
    Inputs inputs;
    while (file.contains(str(name, ".in.", inputs.size())))
      inputs.push_back(file.read(str(name, ".in.", inputs.size())));
    GoldenIds integers;
    while (file.contains(str(name, ".ids.", integers.size()))) {
      const std::string tensor = str(name, ".ids.", integers.size());
      Ids ids(file.info(tensor).shape());
      std::ranges::copy(file.read_integers(tensor), ids.mutable_data());
      integers.push_back(ids);
    }
    const Function f = [&, g = function](In x) { return g(x, integers); };
    const ValueAndGradients ours = differentiate(f, inputs, file.read(name + ".dy"));
    CHECK(difference(ours.value, file.read(name + ".out")) < tolerance);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      INFO("gradient of input " << i);
      CHECK(difference(ours.gradients[i], file.read(str(name, ".grad.", i))) < tolerance);
    }
  }
}

TEST_CASE("No golden case of an op is left out", "[golden]") {
  const SafetensorsFile file = SafetensorsFile::open(TAPE_GOLDEN_DIR "/ops.safetensors");
  const std::map<std::string, Case> cases = all_cases();
  int in_file = 0;
  for (const std::string& tensor : file.names()) {
    if (!tensor.ends_with(".out")) continue;
    const std::string name = tensor.substr(0, tensor.size() - 4);
    INFO(name);
    CHECK(cases.count(name) == 1);
    ++in_file;
  }
  CHECK(in_file > 50);
}

}  // namespace tape::test
