#include <tape/examples/support/recipe.h>

#include <algorithm>
#include <array>
#include <cmath>

#include <tape/nn/names.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr std::array<nn::Named<ScheduleKind>, 9> schedule_names{{{ScheduleKind::Constant, "constant"},
                                                                 {ScheduleKind::Linear, "linear"},
                                                                 {ScheduleKind::Cosine, "cosine"},
                                                                 {ScheduleKind::InverseSqrt, "inverse_sqrt"},
                                                                 {ScheduleKind::Noam, "noam"},
                                                                 {ScheduleKind::Step, "step"},
                                                                 {ScheduleKind::Exponential, "exponential"},
                                                                 {ScheduleKind::Polynomial, "polynomial"},
                                                                 {ScheduleKind::WSD, "wsd"}}};

void require(bool holds, const char* field, const char* rule, double value) {
  if (!holds) throw Error(str(field, " must be ", rule, ", it is ", value));
}

void require_range(const char* field, int64_t value, int64_t least, int64_t most) {
  if (value < least || value > most)
    throw Error(str(field, " must be at least ", least, " and at most ", most, ", it is ", value));
}

}  // namespace

std::string_view name_of(ScheduleKind kind) {
  return nn::find_name(kind, schedule_names);
}
ScheduleKind schedule_kind(std::string_view name) {
  return nn::find_value("schedule", name, schedule_names);
}

void check(const Recipe& r) {
  constexpr int64_t many = 1'000'000'000;
  require_range("steps", r.steps, 1, many);
  require_range("batch", r.batch, 1, 1'000'000);
  require_range("accumulate", r.accumulate, 1, 1'000'000);
  require_range("validation windows", r.validation_windows, 1, many);
  require_range("warmup", r.warmup, 0, many);
  if (r.warmup > r.steps)
    throw Error(str("warmup must not be longer than the run of ", r.steps, " steps, it is ", r.warmup));
  require(r.lr > 0 && std::isfinite(r.lr), "lr", "a number above 0", r.lr);
  require(r.min_lr >= 0 && r.min_lr <= r.lr, "min-lr", "at least 0 and at most lr", r.min_lr);
  require(r.clip >= 0, "clip", "at least 0 (0 switches it off)", r.clip);
  if (r.schedule == ScheduleKind::Exponential)
    require(r.min_lr > 0, "min-lr", "above 0 with the exponential schedule", r.min_lr);
  if (r.schedule == ScheduleKind::Noam && r.warmup == 0)
    throw Error("warmup must be at least 1 with the noam schedule");
  check_optimizer(r);
}

optim::Schedule make_schedule(const Recipe& r) {
  check(r);
  const optim::Schedule warm = optim::warmup(r.warmup, r.lr);
  const int64_t rest = r.steps - r.warmup;
  switch (r.schedule) {
    case ScheduleKind::Constant:
      break;
    case ScheduleKind::Linear:
      return warm.then(optim::linear(rest, r.lr, r.min_lr));
    case ScheduleKind::Cosine:
      return warm.then(optim::cosine(rest, r.lr, r.min_lr));
    case ScheduleKind::InverseSqrt:
      return warm.then(optim::inverse_sqrt(r.lr, std::max<int64_t>(r.warmup, 1)));
    case ScheduleKind::Noam:  // has its own warm-up; for width 1 its peak is 1/√W
      return optim::noam(1, r.warmup, r.lr * std::sqrt(static_cast<double>(r.warmup)));
    case ScheduleKind::Step:
      return warm.then(optim::step_decay(r.lr, rest / 3 + 1, 0.1));
    case ScheduleKind::Exponential: {
      const double factor = rest > 0 ? std::pow(r.min_lr / r.lr, 1 / static_cast<double>(rest)) : 1;
      return warm.then(optim::exponential(r.lr, factor));
    }
    case ScheduleKind::Polynomial:
      return warm.then(optim::polynomial(rest, r.lr, r.min_lr, 2));
    case ScheduleKind::WSD: {
      const int64_t decay = std::min(rest, r.steps / 5);
      return optim::warmup_stable_decay(r.warmup, rest - decay, decay, r.lr, r.min_lr);
    }
  }
  return warm.then(optim::constant(r.lr));
}

}  // namespace tape::inline TAPE_ABI::tool
