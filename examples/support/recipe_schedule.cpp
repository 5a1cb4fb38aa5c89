// The part of a recipe that decides the learning rate of each step.
#include <tape/examples/support/recipe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

#include <tape/nn/names.h>
#include <tape/optim/schedule_cycles.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr std::array<nn::Named<ScheduleKind>, 16> names{{{ScheduleKind::Constant, "constant"},
                                                         {ScheduleKind::Linear, "linear"},
                                                         {ScheduleKind::Cosine, "cosine"},
                                                         {ScheduleKind::CosineRestarts, "cosine_restarts"},
                                                         {ScheduleKind::InverseSqrt, "inverse_sqrt"},
                                                         {ScheduleKind::Noam, "noam"},
                                                         {ScheduleKind::Step, "step"},
                                                         {ScheduleKind::Exponential, "exponential"},
                                                         {ScheduleKind::Polynomial, "polynomial"},
                                                         {ScheduleKind::SquareRoot, "square_root"},
                                                         {ScheduleKind::WSD, "wsd"},
                                                         {ScheduleKind::WSDCosine, "wsd_cosine"},
                                                         {ScheduleKind::WSDSquareRoot, "wsd_sqrt"},
                                                         {ScheduleKind::WSDExponential, "wsd_exponential"},
                                                         {ScheduleKind::OneCycle, "one_cycle"},
                                                         {ScheduleKind::Plateau, "plateau"}}};

// Warm-up, plateau and decay, the decay in the last fifth of the run.
optim::Schedule stable(const Recipe& r, optim::DecayShape shape) {
  const int64_t rest = r.steps - r.warmup;
  const int64_t decay = std::min(rest, r.steps / 5);
  return optim::warmup_stable_decay(r.warmup, rest - decay, decay, r.lr, r.min_lr, shape);
}

// Three cycles of 1, 2 and 4 sevenths; a run of fewer steps than cycles has none of these, but one.
optim::Schedule restarts(int64_t steps, double lr, double min_lr) {
  if (steps < 7) return optim::cosine(steps, lr, min_lr);
  return optim::cosine_restarts(static_cast<double>(steps) / 7, lr, {.floor = min_lr, .stretch = 2, .cycles = 3});
}

optim::Schedule one_cycle(const Recipe& r) {
  const double rise = static_cast<double>(r.warmup) / static_cast<double>(r.steps);
  return optim::one_cycle(r.steps, r.lr, {.rise = rise, .end = r.min_lr / r.lr});
}

}  // namespace

std::string_view name_of(ScheduleKind kind) {
  return nn::find_name(kind, names);
}
ScheduleKind schedule_kind(std::string_view name) {
  return nn::find_value("schedule", name, names);
}
std::vector<ScheduleKind> schedule_kinds() {
  std::vector<ScheduleKind> kinds;
  for (const auto& row : names) kinds.push_back(row.value);
  return kinds;
}

bool has_lowest_rate(ScheduleKind kind) {
  return kind != ScheduleKind::Constant && kind != ScheduleKind::InverseSqrt && kind != ScheduleKind::Noam &&
         kind != ScheduleKind::Step;
}

void check_schedule(const Recipe& r) {
  if (r.warmup < 0) throw Error(str("warmup must be at least 0, it is ", r.warmup));
  if (r.warmup > r.steps)
    throw Error(str("warmup must not be longer than the run of ", r.steps, " steps, it is ", r.warmup));
  const bool by_factors = r.schedule == ScheduleKind::Exponential || r.schedule == ScheduleKind::WSDExponential;
  if (by_factors && !(r.min_lr > 0))
    throw Error(str("min-lr must be above 0 with the ", name_of(r.schedule), " schedule, it is ", r.min_lr));
  if (r.schedule == ScheduleKind::Noam && r.warmup == 0)
    throw Error("warmup must be at least 1 with the noam schedule");
}

optim::Schedule make_schedule(const Recipe& r) {
  check(r);
  const optim::Schedule warm = optim::warmup(r.warmup, r.lr);
  const int64_t rest = r.steps - r.warmup;
  switch (r.schedule) {
    case ScheduleKind::Constant:
    case ScheduleKind::Plateau:
      break;
    case ScheduleKind::Linear:
      return warm.then(optim::linear(rest, r.lr, r.min_lr));
    case ScheduleKind::Cosine:
      return warm.then(optim::cosine(rest, r.lr, r.min_lr));
    case ScheduleKind::CosineRestarts:
      return warm.then(restarts(rest, r.lr, r.min_lr));
    case ScheduleKind::InverseSqrt:
      return warm.then(optim::inverse_sqrt(r.lr, std::max<int64_t>(r.warmup, 1)));
    case ScheduleKind::Noam:  // has its own warm-up; for width 1 its peak is 1/√W
      return optim::noam(1, r.warmup, r.lr * std::sqrt(static_cast<double>(r.warmup)));
    case ScheduleKind::Step:
      return warm.then(optim::step_decay(r.lr, rest / 3 + 1, 0.1));
    case ScheduleKind::Exponential:
      return warm.then(optim::decay(optim::DecayShape::exponential, rest, r.lr, r.min_lr));
    case ScheduleKind::Polynomial:
      return warm.then(optim::polynomial(rest, r.lr, r.min_lr, 2));
    case ScheduleKind::SquareRoot:
      return warm.then(optim::square_root(rest, r.lr, r.min_lr));
    case ScheduleKind::WSD:
      return stable(r, optim::DecayShape::linear);
    case ScheduleKind::WSDCosine:
      return stable(r, optim::DecayShape::cosine);
    case ScheduleKind::WSDSquareRoot:
      return stable(r, optim::DecayShape::square_root);
    case ScheduleKind::WSDExponential:
      return stable(r, optim::DecayShape::exponential);
    case ScheduleKind::OneCycle:
      return one_cycle(r);
  }
  return warm.then(optim::constant(r.lr));
}

std::optional<optim::Plateau> make_plateau(const Recipe& r) {
  if (r.schedule != ScheduleKind::Plateau) return std::nullopt;
  return optim::Plateau(1, {.factor = 0.5, .patience = 2, .floor = r.min_lr / r.lr});
}

int64_t default_warmup(const Recipe& r) {
  return r.schedule == ScheduleKind::OneCycle ? r.steps * 3 / 10 : std::min<int64_t>(100, r.steps / 10);
}

int64_t warmup_steps(const std::string& text, const Recipe& r) {
  if (text == "untuned" && (r.optimizer == OptimizerKind::SGD || r.optimizer == OptimizerKind::Lion ||
                            r.optimizer == OptimizerKind::Adafactor)) {
    throw Error(str("warmup can not be untuned with ", name_of(r.optimizer), ": it follows from Adam's beta2"));
  }
  if (text == "untuned") return std::min(optim::untuned_warmup(r.beta2), r.steps);
  int64_t steps = 0;
  const char* const end = text.data() + text.size();
  const auto [next, code] = std::from_chars(text.data(), end, steps);
  if (code != std::errc{} || next != end)
    throw Error(str("warmup must be a number of steps or \"untuned\", it is \"", text, "\""));
  return steps;
}

double default_min_lr(const Recipe& r) {
  return r.schedule == ScheduleKind::OneCycle ? r.lr / 25 / 1e4 : r.lr / 10;
}

}  // namespace tape::inline TAPE_ABI::tool
