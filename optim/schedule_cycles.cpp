#include <tape/optim/schedule_cycles.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include <tape/optim/arguments.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

// From 1 to 0 along half a wave.
double half_wave(double x) {
  return (1 + std::cos(std::numbers::pi * x)) / 2;
}

struct Cycle {
  double index = 0;
  double begin = 0;  // its first step
  double length = 1;
};

// The steps of all cycles before this one: a geometric series.
double begin_of(double index, double first, double stretch) {
  return stretch == 1 ? first * index : first * (std::pow(stretch, index) - 1) / (stretch - 1);
}

// The cycle that step s lies in. The logarithm may round across its border; the sums, exact for whole numbers, decide.
Cycle cycle_at(double s, double first, double stretch) {
  double index = std::floor(stretch == 1 ? s / first : std::log1p(s / first * (stretch - 1)) / std::log(stretch));
  if (begin_of(index, first, stretch) > s) --index;
  if (begin_of(index + 1, first, stretch) <= s) ++index;
  return {index, begin_of(index, first, stretch), first * std::pow(stretch, index)};
}

// The steps of all cycles together; Schedule::forever when these are too many.
int64_t length_of(int64_t cycles, double first, double stretch) {
  const double all = begin_of(static_cast<double>(cycles), first, stretch);
  constexpr double most = 9e18;
  return cycles == 0 || !(all < most) ? Schedule::forever : static_cast<int64_t>(std::ceil(all));
}

// One stretch of a run: values from `begin` to `end`, reached at step `last`.
struct Phase {
  double last, begin, end;
};

// Each phase starts where the one before it ended, the first one at step 0. Those that take no time are skipped.
Schedule phases(const std::array<Phase, 3>& all, DecayShape shape, int64_t steps) {
  const auto rate = [=](int64_t step) {
    const auto s = static_cast<double>(step);
    double first = 0;
    for (const Phase& phase : all) {
      if (phase.last <= first) continue;
      if (s <= phase.last) {
        const double x = (s - first) / (phase.last - first);
        return std::lerp(phase.end, phase.begin, shape == DecayShape::cosine ? half_wave(x) : 1 - x);
      }
      first = phase.last;
    }
    return all.back().end;
  };
  return Schedule(rate, steps);
}

void check_one_cycle(const Arguments& arguments, int64_t steps, const OneCycleOptions& o) {
  arguments.steps("steps", steps, 1).between("rise", o.rise, 0, o.three_phases ? 0.5 : 1);
  arguments.between("start", o.start, 0, 1).between("end", o.end, 0, 1);
  arguments.require(o.shape == DecayShape::cosine || o.shape == DecayShape::linear, "shape", "cosine or linear",
                    static_cast<double>(o.shape));
}

// The three values of a cycle, put where OneCycleLR has them.
Schedule cycle_of(int64_t steps, double begin, double middle, double back, double end, const OneCycleOptions& o) {
  const double top = o.rise * static_cast<double>(steps) - 1;
  const double last = static_cast<double>(steps) - 1;
  if (!o.three_phases) return phases({{{top, begin, middle}, {last, middle, end}, {0, end, end}}}, o.shape, steps);
  return phases({{{top, begin, middle}, {2 * top, middle, back}, {last, back, end}}}, o.shape, steps);
}

}  // namespace

Schedule cosine_restarts(double first_cycle, double peak, const RestartOptions& options) {
  const Arguments arguments("cosine_restarts");
  arguments.require(first_cycle >= 1 && std::isfinite(first_cycle), "first_cycle", "at least 1", first_cycle);
  arguments.peak_and_floor(peak, options.floor).positive("k", options.k).steps("cycles", options.cycles);
  arguments.require(options.stretch >= 1 && std::isfinite(options.stretch), "stretch", "at least 1", options.stretch);
  arguments.require(options.shrink > 0 && options.shrink <= 1, "shrink", "above 0 and at most 1", options.shrink);
  const auto rate = [=, o = options](int64_t step) {
    const auto s = static_cast<double>(step);
    const Cycle cycle = cycle_at(s, first_cycle, o.stretch);
    if (o.cycles > 0 && cycle.index >= static_cast<double>(o.cycles)) return o.floor;
    const double top = std::max(o.floor, peak * std::pow(o.shrink, cycle.index));
    return std::lerp(o.floor, top, half_wave(std::pow(std::clamp((s - cycle.begin) / cycle.length, 0.0, 1.0), o.k)));
  };
  return Schedule(rate, length_of(options.cycles, first_cycle, options.stretch));
}

Schedule hard_restarts(int64_t steps, double peak, int64_t cycles, double floor) {
  Arguments("hard_restarts").steps("steps", steps).peak_and_floor(peak, floor).steps("cycles", cycles, 1);
  const auto rate = [=](int64_t s) {
    if (s == steps) return floor;
    const double walked = static_cast<double>(s) * static_cast<double>(cycles) / static_cast<double>(steps);
    return std::lerp(floor, peak, half_wave(walked - std::floor(walked)));
  };
  return Schedule(rate, steps);
}

Schedule one_cycle(int64_t steps, double peak, const OneCycleOptions& options) {
  const Arguments arguments("one_cycle");
  check_one_cycle(arguments, steps, options);
  arguments.positive("peak", peak);
  const double start = peak * options.start;
  return cycle_of(steps, start, peak, start, peak * options.end, options);
}

Schedule one_cycle_momentum(int64_t steps, double high, double low, const OneCycleOptions& options) {
  const Arguments arguments("one_cycle_momentum");
  check_one_cycle(arguments, steps, options);
  arguments.require(high >= 0 && high < 1, "high", "at least 0 and below 1", high);
  arguments.between("low", low, 0, high);
  return cycle_of(steps, high, low, high, high, options);
}

Schedule triangular(int64_t up, double peak, double floor, const TriangularOptions& options) {
  const Arguments arguments("triangular");
  arguments.steps("up", up, 1).peak_and_floor(peak, floor).steps("down", options.down);
  arguments.require(options.shrink > 0 && options.shrink <= 1, "shrink", "above 0 and at most 1", options.shrink);
  arguments.require(options.factor > 0 && options.factor <= 1, "factor", "above 0 and at most 1", options.factor);
  const int64_t down = options.down > 0 ? options.down : up;
  arguments.require(down <= Schedule::forever - up, "down", "so small that the cycle can be counted",
                    static_cast<double>(down));
  const auto rate = [=, o = options](int64_t s) {
    const int64_t at = s % (up + down);
    const double height = at <= up ? static_cast<double>(at) / static_cast<double>(up)
                                   : static_cast<double>(up + down - at) / static_cast<double>(down);
    const double scale =
        std::pow(o.shrink, static_cast<double>(s / (up + down))) * std::pow(o.factor, static_cast<double>(s));
    return std::lerp(floor, peak, height * scale);
  };
  return Schedule(rate);
}

}  // namespace tape::inline TAPE_ABI::optim
