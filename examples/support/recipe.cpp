#include <tape/examples/support/recipe.h>

#include <array>
#include <cmath>

#include <tape/nn/names.h>
#include <tape/optim/adam.h>
#include <tape/optim/sgd.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr std::array<nn::Named<OptimizerKind>, 3> optimizer_names{
    {{OptimizerKind::SGD, "sgd"}, {OptimizerKind::Adam, "adam"}, {OptimizerKind::AdamW, "adamw"}}};

void require(bool holds, const char* field, const char* rule, double value) {
  if (!holds) throw Error(str(field, " must be ", rule, ", it is ", value));
}

void require_range(const char* field, int64_t value, int64_t least, int64_t most) {
  if (value < least || value > most)
    throw Error(str(field, " must be at least ", least, " and at most ", most, ", it is ", value));
}

}  // namespace

std::string_view name_of(OptimizerKind kind) {
  return nn::find_name(kind, optimizer_names);
}
OptimizerKind optimizer_kind(std::string_view name) {
  return nn::find_value("optimizer", name, optimizer_names);
}

void check(const Recipe& r) {
  constexpr int64_t many = 1'000'000'000;
  require_range("steps", r.steps, 1, many);
  require_range("batch", r.batch, 1, 1'000'000);
  require_range("accumulate", r.accumulate, 1, 1'000'000);
  require_range("validation windows", r.validation_windows, 1, many);
  require(r.lr > 0 && std::isfinite(r.lr), "lr", "a number above 0", r.lr);
  require(r.min_lr >= 0 && r.min_lr <= r.lr, "min-lr", "at least 0 and at most lr", r.min_lr);
  require(r.clip >= 0, "clip", "at least 0 (0 switches it off)", r.clip);
  check_schedule(r);
}

std::unique_ptr<optim::Optimizer> make_optimizer(const Recipe& r, ParameterList parameters) {
  switch (r.optimizer) {
    case OptimizerKind::SGD:
      return std::make_unique<optim::SGD>(std::move(parameters),
                                          optim::SGDOptions{.momentum = r.beta1, .weight_decay = r.weight_decay});
    case OptimizerKind::Adam:
      return std::make_unique<optim::Adam>(
          std::move(parameters),
          optim::AdamOptions{.beta1 = r.beta1, .beta2 = r.beta2, .weight_decay = r.weight_decay});
    case OptimizerKind::AdamW:
      break;
  }
  return std::make_unique<optim::AdamW>(
      std::move(parameters), optim::AdamWOptions{.beta1 = r.beta1, .beta2 = r.beta2, .weight_decay = r.weight_decay});
}

}  // namespace tape::inline TAPE_ABI::tool
