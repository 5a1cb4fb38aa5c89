#include <tape/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace tape::inline TAPE_ABI::optim {

namespace {

// Checks the arguments of one maker.
class Arguments {
 public:
  explicit Arguments(const char* maker) : maker_(maker) {}

  const Arguments& steps(const char* name, int64_t value, int64_t least = 0) const {
    if (value < least) fail(name, str("at least ", least), static_cast<double>(value));
    return *this;
  }
  const Arguments& positive(const char* name, double value) const {
    if (!(value > 0 && std::isfinite(value))) fail(name, "a finite number above 0", value);
    return *this;
  }
  const Arguments& not_negative(const char* name, double value) const {
    if (!(value >= 0 && std::isfinite(value))) fail(name, "a finite number of at least 0", value);
    return *this;
  }
  const Arguments& peak_and_floor(double peak, double floor) const {
    positive("peak", peak).not_negative("floor", floor);
    if (floor > peak) fail("floor", str("at most the peak, ", peak), floor);
    return *this;
  }

 private:
  [[noreturn]] void fail(const char* name, const std::string& rule, double value) const {
    throw Error(str(maker_, ": ", name, " must be ", rule, ", not ", value));
  }

  const char* maker_;
};

// s/steps as a fraction of the way; a way of no steps has been walked.
double part(int64_t s, int64_t steps) {
  return steps == 0 ? 1 : static_cast<double>(s) / static_cast<double>(steps);
}

// Exactly `to` at the end of the way, where from + (to − from) may round.
double between(double from, double to, double way) {
  return from * (1 - way) + to * way;
}

}  // namespace

Schedule::Schedule(std::function<double(int64_t)> rate, int64_t steps) : rate_(std::move(rate)), steps_(steps) {
  if (!rate_) throw Error("Schedule: the function that gives the rate is empty");
  Arguments("Schedule").steps("steps", steps);
}

double Schedule::operator()(int64_t step) const {
  Arguments("Schedule").steps("step", step);
  return rate_(std::min(step, steps_));
}

Schedule Schedule::then(const Schedule& next) const {
  if (steps_ == forever) {
    throw Error("then: this schedule never ends, so that nothing can follow; use first(steps) to end it");
  }
  const int64_t length = next.steps_ > forever - steps_ ? forever : steps_ + next.steps_;
  const auto rate = [before = *this, next](int64_t s) {
    return s < before.steps_ ? before(s) : next(s - before.steps_);
  };
  return Schedule(rate, length);
}

Schedule Schedule::first(int64_t count) const {
  Arguments("first").steps("count", count);
  return Schedule(rate_, std::min(count, steps_));
}

Schedule constant(double lr, int64_t steps) {
  Arguments("constant").positive("lr", lr).steps("steps", steps);
  return Schedule([=](int64_t) { return lr; }, steps);
}

Schedule warmup(int64_t steps, double peak) {
  Arguments("warmup").steps("steps", steps).positive("peak", peak);
  return Schedule([=](int64_t s) { return s + 1 >= steps ? peak : peak * part(s + 1, steps); }, steps);
}

Schedule warmup(int64_t steps, double peak, double start) {
  Arguments("warmup").steps("steps", steps).positive("peak", peak).not_negative("start", start);
  return linear(steps, start, peak);
}

Schedule linear(int64_t steps, double from, double to) {
  Arguments("linear").steps("steps", steps).not_negative("from", from).not_negative("to", to);
  return Schedule([=](int64_t s) { return between(from, to, part(s, steps)); }, steps);
}

Schedule cosine(int64_t steps, double peak, double floor) {
  Arguments("cosine").steps("steps", steps).peak_and_floor(peak, floor);
  const auto rate = [=](int64_t s) {
    return floor + (peak - floor) * (1 + std::cos(std::numbers::pi * part(s, steps))) / 2;
  };
  return Schedule(rate, steps);
}

Schedule polynomial(int64_t steps, double from, double to, double power) {
  Arguments("polynomial").steps("steps", steps).not_negative("from", from).not_negative("to", to);
  Arguments("polynomial").positive("power", power);
  return Schedule([=](int64_t s) { return to + (from - to) * std::pow(1 - part(s, steps), power); }, steps);
}

Schedule square_root(int64_t steps, double from, double to) {
  Arguments("square_root").steps("steps", steps).not_negative("from", from).not_negative("to", to);
  return Schedule([=](int64_t s) { return between(from, to, std::sqrt(part(s, steps))); }, steps);
}

Schedule inverse_sqrt(double peak, int64_t timescale) {
  Arguments("inverse_sqrt").positive("peak", peak).steps("timescale", timescale, 1);
  const auto scale = static_cast<double>(timescale);
  return Schedule([=](int64_t s) { return peak * std::sqrt(scale / (scale + static_cast<double>(s))); });
}

Schedule noam(int64_t width, int64_t warmup_steps, double factor) {
  Arguments("noam").steps("width", width, 1).steps("warmup_steps", warmup_steps, 1).positive("factor", factor);
  const double scale = factor / std::sqrt(static_cast<double>(width));
  const auto warm = static_cast<double>(warmup_steps);
  const auto rate = [=](int64_t s) {
    const double t = static_cast<double>(s) + 1;
    return scale * std::min(1 / std::sqrt(t), t / (warm * std::sqrt(warm)));
  };
  return Schedule(rate);
}

Schedule step_decay(double lr, int64_t every, double factor) {
  Arguments("step_decay").positive("lr", lr).steps("every", every, 1).positive("factor", factor);
  return Schedule([=](int64_t s) { return lr * std::pow(factor, static_cast<double>(s / every)); });
}

Schedule exponential(double lr, double factor) {
  Arguments("exponential").positive("lr", lr).positive("factor", factor);
  return Schedule([=](int64_t s) { return lr * std::pow(factor, static_cast<double>(s)); });
}

Schedule warmup_stable_decay(int64_t warmup_steps, int64_t stable_steps, int64_t decay_steps, double peak, double floor,
                             DecayShape shape) {
  Arguments("warmup_stable_decay")
      .steps("warmup_steps", warmup_steps)
      .steps("stable_steps", stable_steps)
      .steps("decay_steps", decay_steps)
      .peak_and_floor(peak, floor);
  const auto decay = [&] {
    switch (shape) {
      case DecayShape::cosine:
        return cosine(decay_steps, peak, floor);
      case DecayShape::square_root:
        return square_root(decay_steps, peak, floor);
      case DecayShape::linear:
        break;
    }
    return linear(decay_steps, peak, floor);
  };
  return warmup(warmup_steps, peak).then(constant(peak, stable_steps)).then(decay());
}

}  // namespace tape::inline TAPE_ABI::optim
