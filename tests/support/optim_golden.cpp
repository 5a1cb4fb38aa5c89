#include "support/optim_golden.h"

#include <algorithm>

#include <tape/core/safetensors.h>

#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr int64_t golden_steps = 10;

const SafetensorsFile& file() {
  static const SafetensorsFile opened = SafetensorsFile::open(TAPE_GOLDEN_DIR "/optim.safetensors");
  return opened;
}

template <class Kind, class Options>
std::function<std::unique_ptr<optim::Optimizer>(ParameterList)> maker(const Options& options) {
  return [options](ParameterList parameters) { return std::make_unique<Kind>(std::move(parameters), options); };
}

// Row `row` of a tensor (rows, …) as a tensor of the given shape.
Tensor row_of(const Tensor& all, int64_t row, const Shape& shape) {
  return Tensor::from(shape, all.values().subspan(static_cast<std::size_t>(row * shape.size()),
                                                  static_cast<std::size_t>(shape.size())));
}

// In the settings called "….absent" some parameters have no gradient in some steps.
bool absent(const std::string& name, int64_t step, std::size_t parameter) {
  if (name.find(".absent") == std::string::npos) return false;
  return (parameter == 1 && (step == 0 || step == 4 || step == 5)) || (parameter == 2 && step == 4);
}

}  // namespace

std::vector<OptimizerCase> optimizer_cases() {
  using optim::Adam;
  using optim::AdamOptions;
  using optim::AdamW;
  using optim::AdamWOptions;
  using optim::SGD;
  using optim::SGDOptions;
  const auto only_p1 = [](const Leaf& leaf) { return leaf.name == "p1"; };
  return {
      {"sgd.plain", 0.05, maker<SGD>(SGDOptions{}), {}},
      {"sgd.decay", 0.05, maker<SGD>(SGDOptions{.weight_decay = 0.1}), {}},
      {"sgd.momentum", 0.05, maker<SGD>(SGDOptions{.momentum = 0.9}), {"momentum"}},
      {"sgd.dampened",
       0.05,
       maker<SGD>(SGDOptions{.momentum = 0.9, .dampening = 0.3, .weight_decay = 0.1}),
       {"momentum"}},
      {"sgd.nesterov",
       0.05,
       maker<SGD>(SGDOptions{.momentum = 0.8, .nesterov = true, .weight_decay = 0.05}),
       {"momentum"}},
      {"sgd.absent", 0.05, maker<SGD>(SGDOptions{.momentum = 0.9, .dampening = 0.5}), {"momentum"}},
      {"adam.default", 0.01, maker<Adam>(AdamOptions{}), {"m", "v"}},
      {"adam.l2",
       0.01,
       maker<Adam>(AdamOptions{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-2, .weight_decay = 0.1}),
       {"m", "v"}},
      {"adam.uncorrected", 0.01, maker<Adam>(AdamOptions{.eps = 1e-6, .bias_correction = false}), {}},
      {"adamw.default", 0.01, maker<AdamW>(AdamWOptions{}), {"m", "v"}},
      {"adamw.decay",
       0.01,
       maker<AdamW>(AdamWOptions{.beta2 = 0.98, .eps = 1e-2, .weight_decay = 0.5, .decay = only_p1}),
       {"m", "v"}},
      {"adamw.absent", 0.01, maker<AdamW>(AdamWOptions{}), {"m", "v"}},
  };
}

GoldenDifference golden_difference(const OptimizerCase& test) {
  const ParameterList parameters = golden_parameters();
  const auto optimizer = test.make(parameters);
  GoldenDifference result;
  for (int64_t step = 0; step < golden_steps; ++step) {
    put_golden_gradients(parameters, step);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i]->routed = absent(test.name, step, i);
      if (parameters[i]->routed) parameters[i]->has_gradient = false;
    }
    optimizer->step(test.rate * static_cast<double>(1 + step % 3));
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Leaf& leaf = *parameters[i];
      const Tensor all = file().read(str(test.name, ".value.", i));
      result.values =
          std::max(result.values, difference(Tensor::on(leaf.shape, leaf.value), row_of(all, step, leaf.shape)));
    }
  }
  const optim::State state = optimizer->state();
  for (const std::string& average : test.averages) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const std::string name = optimizer->name() + "." + average + "." + parameters[i]->name;
      const auto found =
          std::find_if(state.begin(), state.end(), [&](const auto& entry) { return entry.first == name; });
      if (found == state.end()) throw Error("the state has no " + name);
      const Tensor golden = file().read(str(test.name, ".", average, ".", i));
      result.averages = std::max(result.averages, difference(found->second, golden));
    }
  }
  return result;
}

ParameterList golden_parameters() {
  ParameterList parameters;
  for (int i = 0; i < 3; ++i) {
    const Parameter parameter = parameter_of(file().read(str("start.", i)), str("p", i));
    parameters.push_back(parameter.leaf());
  }
  return parameters;
}

void put_golden_gradients(const ParameterList& parameters, int64_t step) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Leaf& leaf = *parameters[i];
    leaf.gradient = row_of(file().read(str("gradient.", i)), step, leaf.shape).storage();
    leaf.has_gradient = true;
  }
}

LeafPtr leaf_of(const std::string& name, const Shape& shape, uint64_t seed) {
  return parameter_of(random_tensor(shape, seed), name).leaf();
}

void put_gradient(const LeafPtr& leaf, uint64_t seed) {
  if (!leaf->gradient) leaf->gradient = Storage::of<real>(leaf->size());
  const Tensor values = random_tensor(leaf->shape, seed);
  std::copy(values.data(), values.data() + values.size(), leaf->gradient_data());
  leaf->has_gradient = true;
}

void put_gradients(const ParameterList& parameters, uint64_t seed) {
  for (std::size_t i = 0; i < parameters.size(); ++i) put_gradient(parameters[i], seed * 1000 + i);
}

std::vector<Tensor> values_of(const ParameterList& parameters) {
  std::vector<Tensor> values;
  for (const LeafPtr& leaf : parameters) values.push_back(Tensor::on(leaf->shape, leaf->value).copy());
  return values;
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Tensor& x, const Tensor& y) { return same_bits(x, y); });
}

}  // namespace tape::inline TAPE_ABI::test
