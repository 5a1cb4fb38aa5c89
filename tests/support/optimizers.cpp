#include "support/optimizers.h"

#include <algorithm>

#include <tape/core/safetensors.h>
#include <tape/optim/adafactor.h>
#include <tape/optim/adam.h>
#include <tape/optim/lamb.h>
#include <tape/optim/lion.h>
#include <tape/optim/muon.h>
#include <tape/optim/nadam.h>
#include <tape/optim/radam.h>
#include <tape/optim/schedule_free.h>
#include <tape/optim/sgd.h>

#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using namespace optim;

template <class Kind, class Options>
std::function<std::unique_ptr<Optimizer>(ParameterList)> maker(const Options& options) {
  return [options](ParameterList parameters) { return std::make_unique<Kind>(std::move(parameters), options); };
}

bool everything(const Leaf&) {
  return true;
}

// As the settings "muon.options" of the golden file: p1 holds three matrices, p4 two.
int64_t packed(const Leaf& leaf) {
  if (leaf.name == "p1") return 3;
  if (leaf.name == "p4") return 2;
  return hidden_matrices(leaf);
}

const SafetensorsFile& file() {
  static const SafetensorsFile opened = SafetensorsFile::open(TAPE_GOLDEN_DIR "/optim_more.safetensors");
  return opened;
}

constexpr int64_t golden_steps = 10;
constexpr int64_t kept_steps[] = {0, 5, 9};

// Row `row` of a tensor (rows, …).
Tensor row_of(const Tensor& all, int64_t row) {
  const Shape shape(all.shape().sizes().subspan(1));
  return Tensor::from(shape, all.values().subspan(static_cast<std::size_t>(row * shape.size()),
                                                  static_cast<std::size_t>(shape.size())));
}

// Vectors have no decay flag, as in a model.
ParameterList start_parameters() {
  ParameterList parameters;
  for (int i = 0; i < 5; ++i) {
    parameters.push_back(parameter_of(file().read(str("start.", i)), str("p", i)).leaf());
    parameters.back()->decay = parameters.back()->shape.rank() > 1;
  }
  return parameters;
}

double values_difference(const std::string& prefix, const ParameterList& parameters, int64_t row) {
  double largest = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Leaf& leaf = *parameters[i];
    const Tensor golden = row_of(file().read(str(prefix, i)), row);
    largest = std::max(largest, difference(Tensor::on(leaf.shape, leaf.value), golden));
  }
  return largest;
}

}  // namespace

const std::vector<OptimizerRow>& all_optimizers() {
  static const std::vector<OptimizerRow> rows = {
      {"sgd", maker<SGD>(SGDOptions{.momentum = 0.9}), 0.02},
      {"adam", maker<Adam>(AdamOptions{.weight_decay = 1e-4}), 0.01},
      {"adam, uncorrected", maker<Adam>(AdamOptions{.bias_correction = false}), 0.01},
      {"adamw", maker<AdamW>(AdamWOptions{}), 0.01},
      {"adamw, independent",
       maker<AdamW>(AdamWOptions{.weight_decay = 1e-4, .coupling = DecayCoupling::Independent, .peak_rate = 0.01}),
       0.01},
      {"radam", maker<RAdam>(RAdamOptions{}), 0.03},
      {"nadam", maker<NAdam>(NAdamOptions{}), 0.01},
      {"lion", maker<Lion>(LionOptions{}), 0.003},
      {"lamb", maker<LAMB>(LAMBOptions{}), 0.02},
      {"adafactor", maker<Adafactor>(AdafactorOptions{}), 0.01},
      {"adafactor, with momentum", maker<Adafactor>(AdafactorOptions{.beta1 = 0.9, .scale_parameter = true}), 0.03},
      {"muon", maker<Muon>(MuonOptions{.rest_rate = 0.5}), 0.02},
      {"schedule-free", maker<ScheduleFree>(ScheduleFreeOptions{}), 0.02},
  };
  return rows;
}

const std::vector<OptimizerRow>& more_golden_optimizers() {
  static const std::vector<OptimizerRow> rows = {
      {"radam.default", maker<RAdam>(RAdamOptions{}), 0.01},
      {"radam.l2",
       maker<RAdam>(RAdamOptions{.beta1 = 0.8, .beta2 = 0.9, .eps = 1e-3, .weight_decay = 0.1, .decay = everything}),
       0.01},
      {"adamw.independent",
       maker<AdamW>(AdamWOptions{.beta2 = 0.98,
                                 .weight_decay = 0.2,
                                 .coupling = DecayCoupling::Independent,
                                 .peak_rate = 0.03,
                                 .decay = everything}),
       0.01},
      {"nadam.default", maker<NAdam>(NAdamOptions{}), 0.01},
      {"nadam.l2",
       maker<NAdam>(NAdamOptions{
           .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.1, .momentum_decay = 0.1, .decay = everything}),
       0.01},
      {"nadam.decoupled", maker<NAdam>(NAdamOptions{.weight_decay = 0.3, .decoupled_decay = true, .decay = everything}),
       0.01},
      {"lion.default", maker<Lion>(LionOptions{}), 0.003},
      {"lion.decay", maker<Lion>(LionOptions{.beta1 = 0.95, .beta2 = 0.98, .weight_decay = 0.5, .decay = everything}),
       0.003},
      {"lamb.default", maker<LAMB>(LAMBOptions{.decay = everything}), 0.01},
      {"lamb.all",
       maker<LAMB>(LAMBOptions{.beta2 = 0.98, .weight_decay = 0.1, .adapt = everything, .decay = everything}), 0.01},
      {"adafactor.default", maker<Adafactor>(AdafactorOptions{}), 0.01},
      {"adafactor.paper", maker<Adafactor>(AdafactorOptions{.relative_step = true, .scale_parameter = true}), 1},
      {"adafactor.options",
       maker<Adafactor>(AdafactorOptions{
           .decay_exponent = 0.6, .clip = 0.5, .eps1 = 1e-3, .beta1 = 0.9, .weight_decay = 0.3, .decay = everything}),
       0.02},
      {"muon.default", maker<Muon>(MuonOptions{}), 0.02},
      {"muon.options",
       maker<Muon>(MuonOptions{.momentum = 0.9,
                               .nesterov = false,
                               .iterations = 4,
                               .scale = MuonScale::LikeAdam,
                               .weight_decay = 0.1,
                               .rest_rate = 1,
                               .beta1 = 0.8,
                               .beta2 = 0.9,
                               .hidden = packed,
                               .decay = everything}),
       0.02},
      {"schedule-free.default", maker<ScheduleFree>(ScheduleFreeOptions{}), 0.01},
      {"schedule-free.decay",
       maker<ScheduleFree>(
           ScheduleFreeOptions{.beta = 0.6, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.2, .decay = everything}),
       0.01},
      {"schedule-free.plain", maker<ScheduleFree>(ScheduleFreeOptions{.beta = 0}), 0.01},
  };
  return rows;
}

double more_golden_difference(const OptimizerRow& row) {
  const ParameterList parameters = start_parameters();
  const auto optimizer = row.make(parameters);
  const bool evaluates = file().contains(row.name + ".evaluation.0");
  double largest = 0;
  int64_t kept = 0;
  for (int64_t step = 0; step < golden_steps; ++step) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i]->gradient = row_of(file().read(str("gradient.", i)), step).storage();
      parameters[i]->has_gradient = true;
    }
    optimizer->step(row.rate * static_cast<double>(1 + step % 3));
    if (step != kept_steps[kept]) continue;
    largest = std::max(largest, values_difference(row.name + ".value.", parameters, kept));
    if (evaluates) {
      const auto scope = optimizer->evaluation();
      largest = std::max(largest, values_difference(row.name + ".evaluation.", parameters, kept));
    }
    ++kept;
  }
  return largest;
}

}  // namespace tape::inline TAPE_ABI::test
