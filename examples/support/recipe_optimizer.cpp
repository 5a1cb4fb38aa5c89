// The optimizers that a recipe can name.
#include <array>

#include <tape/examples/support/recipe.h>
#include <tape/nn/names.h>
#include <tape/optim/adafactor.h>
#include <tape/optim/adam.h>
#include <tape/optim/lamb.h>
#include <tape/optim/lion.h>
#include <tape/optim/muon.h>
#include <tape/optim/nadam.h>
#include <tape/optim/radam.h>
#include <tape/optim/schedule_free.h>
#include <tape/optim/sgd.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr std::array<nn::Named<OptimizerKind>, 10> optimizer_names{{{OptimizerKind::SGD, "sgd"},
                                                                    {OptimizerKind::Adam, "adam"},
                                                                    {OptimizerKind::AdamW, "adamw"},
                                                                    {OptimizerKind::RAdam, "radam"},
                                                                    {OptimizerKind::NAdam, "nadam"},
                                                                    {OptimizerKind::Lion, "lion"},
                                                                    {OptimizerKind::Adafactor, "adafactor"},
                                                                    {OptimizerKind::Muon, "muon"},
                                                                    {OptimizerKind::ScheduleFree, "schedule-free"},
                                                                    {OptimizerKind::LAMB, "lamb"}}};

constexpr std::array<nn::Named<DecayKind>, 2> decay_names{
    {{DecayKind::Coupled, "coupled"}, {DecayKind::Independent, "independent"}}};

}  // namespace

std::string_view name_of(OptimizerKind kind) {
  return nn::find_name(kind, optimizer_names);
}
OptimizerKind optimizer_kind(std::string_view name) {
  return nn::find_value("optimizer", name, optimizer_names);
}
std::string_view name_of(DecayKind kind) {
  return nn::find_name(kind, decay_names);
}
DecayKind decay_kind(std::string_view name) {
  return nn::find_value("decay", name, decay_names);
}

void check_optimizer(const Recipe& r) {
  const bool adamw = r.optimizer == OptimizerKind::AdamW;
  if (r.decay == DecayKind::Independent && !adamw) {
    throw Error(str("decay independent is for adamw, not for ", name_of(r.optimizer)));
  }
  if (!r.bias_correction && !adamw && r.optimizer != OptimizerKind::Adam) {
    throw Error(str("bias_correction: only adam and adamw can do without, not ", name_of(r.optimizer)));
  }
  if (!(r.ema >= 0 && r.ema < 1)) throw Error(str("ema must be at least 0 (none) and below 1, it is ", r.ema));
  if (r.ema > 0 && r.optimizer == OptimizerKind::ScheduleFree) {
    throw Error("ema is not for schedule-free, which has an average of its own");
  }
}

OptimizerDefaults defaults_of(OptimizerKind kind, DecayKind decay) {
  switch (kind) {
    case OptimizerKind::SGD:
      return {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0};
    case OptimizerKind::Adam:
      return {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0};
    case OptimizerKind::Lion:
      return {.lr = 3e-4, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.3};
    case OptimizerKind::Adafactor:
      return {.lr = 1e-3, .beta1 = 0, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.1};
    case OptimizerKind::Muon:
      return {.lr = 0.02, .beta1 = 0.95, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.01};
    case OptimizerKind::ScheduleFree:
      return {.lr = 3e-3, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.1};
    case OptimizerKind::LAMB:
      return {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-6, .weight_decay = 0.1};
    case OptimizerKind::AdamW:
    case OptimizerKind::RAdam:
    case OptimizerKind::NAdam:
      break;
  }
  const double weight_decay = decay == DecayKind::Coupled ? 0.1 : 1e-4;
  return {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = weight_decay};
}

std::unique_ptr<optim::Optimizer> make_optimizer(const Recipe& r, ParameterList list) {
  const double decay = r.weight_decay;
  switch (r.optimizer) {
    case OptimizerKind::SGD:
      return std::make_unique<optim::SGD>(std::move(list),
                                          optim::SGDOptions{.momentum = r.beta1, .weight_decay = decay});
    case OptimizerKind::Adam:
      return std::make_unique<optim::Adam>(std::move(list), optim::AdamOptions{.beta1 = r.beta1,
                                                                               .beta2 = r.beta2,
                                                                               .eps = r.eps,
                                                                               .weight_decay = decay,
                                                                               .bias_correction = r.bias_correction});
    case OptimizerKind::RAdam:
      return std::make_unique<optim::RAdam>(
          std::move(list),
          optim::RAdamOptions{
              .beta1 = r.beta1, .beta2 = r.beta2, .eps = r.eps, .weight_decay = decay, .decoupled_decay = true});
    case OptimizerKind::NAdam:
      return std::make_unique<optim::NAdam>(
          std::move(list),
          optim::NAdamOptions{
              .beta1 = r.beta1, .beta2 = r.beta2, .eps = r.eps, .weight_decay = decay, .decoupled_decay = true});
    case OptimizerKind::Lion:
      return std::make_unique<optim::Lion>(
          std::move(list), optim::LionOptions{.beta1 = r.beta1, .beta2 = r.beta2, .weight_decay = decay});
    case OptimizerKind::Adafactor:
      return std::make_unique<optim::Adafactor>(std::move(list),
                                                optim::AdafactorOptions{.beta1 = r.beta1, .weight_decay = decay});
    case OptimizerKind::Muon:  // the rest has the rate that is usual for adamw
      return std::make_unique<optim::Muon>(
          std::move(list),
          optim::MuonOptions{
              .momentum = r.beta1, .weight_decay = decay, .rest_rate = 0.05, .beta2 = r.beta2, .eps = r.eps});
    case OptimizerKind::ScheduleFree:
      return std::make_unique<optim::ScheduleFree>(
          std::move(list),
          optim::ScheduleFreeOptions{.beta = r.beta1, .beta2 = r.beta2, .eps = r.eps, .weight_decay = decay});
    case OptimizerKind::LAMB:
      return std::make_unique<optim::LAMB>(
          std::move(list), optim::LAMBOptions{.beta1 = r.beta1, .beta2 = r.beta2, .eps = r.eps, .weight_decay = decay});
    case OptimizerKind::AdamW:
      break;
  }
  const bool coupled = r.decay == DecayKind::Coupled;
  return std::make_unique<optim::AdamW>(
      std::move(list),
      optim::AdamWOptions{.beta1 = r.beta1,
                          .beta2 = r.beta2,
                          .eps = r.eps,
                          .weight_decay = decay,
                          .coupling = coupled ? optim::DecayCoupling::Coupled : optim::DecayCoupling::Independent,
                          .peak_rate = r.lr,
                          .bias_correction = r.bias_correction});
}

}  // namespace tape::inline TAPE_ABI::tool
