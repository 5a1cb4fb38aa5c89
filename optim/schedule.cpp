#include <tape/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include <tape/optim/arguments.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

// s/steps as a fraction of the way; a way of no steps has been walked.
double part(int64_t s, int64_t steps) {
  return steps == 0 ? 1 : static_cast<double>(s) / static_cast<double>(steps);
}

// The rate a part x of the way down. std::lerp has both ends exactly and stays between them, where a product and a sum
// may round.
double fallen(DecayShape shape, double peak, double floor, double x) {
  switch (shape) {
    case DecayShape::cosine:
      return std::lerp(floor, peak, (1 + std::cos(std::numbers::pi * x)) / 2);
    case DecayShape::square_root:
      return std::lerp(peak, floor, std::sqrt(x));
    case DecayShape::exponential:
      return x == 1 ? floor : std::max(floor, peak * std::pow(floor / peak, x));
    case DecayShape::linear:
      break;
  }
  return std::lerp(peak, floor, x);
}

void check_shape(const Arguments& arguments, DecayShape shape, const char* end, double value) {
  arguments.require(shape != DecayShape::exponential || value > 0, end, "above 0 for an exponential shape", value);
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

Schedule Schedule::times(const Schedule& factor) const {
  const auto rate = [a = *this, factor](int64_t s) { return a(s) * factor(s); };
  return Schedule(rate, std::max(steps_, factor.steps_));
}

Schedule constant(double lr, int64_t steps) {
  Arguments("constant").positive("lr", lr).steps("steps", steps);
  return Schedule([=](int64_t) { return lr; }, steps);
}

Schedule warmup(int64_t steps, double peak) {
  Arguments("warmup").steps("steps", steps).positive("peak", peak);
  return Schedule([=](int64_t s) { return s + 1 >= steps ? peak : peak * part(s + 1, steps); }, steps);
}

Schedule warmup(int64_t steps, double peak, double start, DecayShape shape) {
  const Arguments arguments("warmup");
  arguments.steps("steps", steps).positive("peak", peak).not_negative("start", start);
  if (shape == DecayShape::linear) return linear(steps, start, peak);
  check_shape(arguments, shape, "start", start);
  arguments.require(start <= peak, "start", str("at most the peak, ", peak), start);
  return Schedule([=](int64_t s) { return fallen(shape, peak, start, 1 - part(s, steps)); }, steps);
}

Schedule exponential_warmup(double period, double peak) {
  Arguments("exponential_warmup").positive("period", period).positive("peak", peak);
  return Schedule([=](int64_t s) { return -peak * std::expm1(-(static_cast<double>(s) + 1) / period); });
}

int64_t untuned_warmup(double beta2) {
  Arguments("untuned_warmup").require(beta2 >= 0 && beta2 < 1, "beta2", "at least 0 and below 1", beta2);
  return std::llround(2 / (1 - beta2));
}

Schedule decay(DecayShape shape, int64_t steps, double peak, double floor) {
  const Arguments arguments("decay");
  arguments.steps("steps", steps).peak_and_floor(peak, floor);
  check_shape(arguments, shape, "floor", floor);
  return Schedule([=](int64_t s) { return fallen(shape, peak, floor, part(s, steps)); }, steps);
}

Schedule linear(int64_t steps, double from, double to) {
  Arguments("linear").steps("steps", steps).not_negative("from", from).not_negative("to", to);
  return Schedule([=](int64_t s) { return std::lerp(from, to, part(s, steps)); }, steps);
}

Schedule cosine(int64_t steps, double peak, double floor) {
  Arguments("cosine").steps("steps", steps).peak_and_floor(peak, floor);
  return decay(DecayShape::cosine, steps, peak, floor);
}

Schedule cosine(int64_t steps, double peak, const CosineOptions& options) {
  Arguments("cosine").steps("steps", steps).peak_and_floor(peak, options.floor).positive("waves", options.waves);
  Arguments("cosine").positive("k", options.k).positive("exponent", options.exponent);
  const auto rate = [=, o = options](int64_t s) {
    const double angle = 2 * std::numbers::pi * o.waves * std::pow(part(s, steps), o.k);
    return std::lerp(o.floor, peak, std::pow((1 + std::cos(angle)) / 2, o.exponent));
  };
  return Schedule(rate, steps);
}

Schedule polynomial(int64_t steps, double from, double to, double power, double k) {
  Arguments("polynomial").steps("steps", steps).not_negative("from", from).not_negative("to", to);
  Arguments("polynomial").positive("power", power).positive("k", k);
  const auto rate = [=](int64_t s) { return std::lerp(to, from, std::pow(1 - std::pow(part(s, steps), k), power)); };
  return Schedule(rate, steps);
}

Schedule square_root(int64_t steps, double from, double to) {
  Arguments("square_root").steps("steps", steps).not_negative("from", from).not_negative("to", to);
  return Schedule([=](int64_t s) { return std::lerp(from, to, std::sqrt(part(s, steps))); }, steps);
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

Schedule multi_step(double lr, const std::vector<int64_t>& milestones, double factor) {
  Arguments("multi_step").positive("lr", lr).positive("factor", factor);
  for (std::size_t i = 0; i < milestones.size(); ++i)
    Arguments("multi_step").steps("each milestone", milestones[i], i == 0 ? 0 : milestones[i - 1]);
  const auto rate = [=](int64_t s) {
    return lr * std::pow(factor, static_cast<double>(std::ranges::upper_bound(milestones, s) - milestones.begin()));
  };
  return Schedule(rate);
}

Schedule exponential(double lr, double factor) {
  Arguments("exponential").positive("lr", lr).positive("factor", factor);
  return Schedule([=](int64_t s) { return lr * std::pow(factor, static_cast<double>(s)); });
}

Schedule half_life(double lr, double half) {
  Arguments("half_life").positive("lr", lr).positive("half", half);
  return Schedule([=](int64_t s) { return lr * std::exp2(-static_cast<double>(s) / half); });
}

Schedule warmup_stable_decay(int64_t warmup_steps, int64_t stable_steps, int64_t decay_steps, double peak, double floor,
                             DecayShape shape) {
  const Arguments arguments("warmup_stable_decay");
  arguments.steps("warmup_steps", warmup_steps).steps("stable_steps", stable_steps).steps("decay_steps", decay_steps);
  arguments.peak_and_floor(peak, floor);
  check_shape(arguments, shape, "floor", floor);
  return warmup(warmup_steps, peak).then(constant(peak, stable_steps)).then(decay(shape, decay_steps, peak, floor));
}

}  // namespace tape::inline TAPE_ABI::optim
