#include <tape/examples/support/axis.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <tape/core/error.h>
#include <tape/examples/support/numbers.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

int decade(double value) {
  return static_cast<int>(std::floor(std::log10(value) + 1e-9));
}

// The smallest of 1, 2 and 5 times a power of ten that is at least `value`.
double round_up(double value) {
  const double power = std::pow(10, decade(value));
  for (const double digit : {1.0, 2.0, 5.0}) {
    if (digit * power >= value * (1 - 1e-9)) return digit * power;
  }
  return 10 * power;
}

void require_finite(double low, double high) {
  if (!std::isfinite(low) || !std::isfinite(high)) throw Error(str("an axis can not go from ", low, " to ", high));
}

// "1.50e-03" → "1.5e-3".
std::string scientific(double value, int decimals) {
  std::string text = fmt::format("{:.{}e}", value, decimals);
  const std::size_t e = text.find('e');
  std::string digits = text.substr(0, e);
  if (digits.find('.') != std::string::npos) digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.ends_with('.')) digits.pop_back();
  return fmt::format("{}e{}", digits, std::stoi(text.substr(e + 1)));
}

}  // namespace

std::string tick_label(double value, double unit) {
  if (std::fabs(value) < unit / 2) return "0";
  const double size = std::fabs(value);
  const int decimals = std::max(0, -decade(unit));
  if (decimals > 3 || size >= 1e7) return scientific(value, std::clamp(decade(size) - decade(unit), 0, 17));
  if (decimals == 0) return grouped(std::llround(value));
  return fmt::format("{:.{}f}", value, decimals);
}

Axis Axis::linear(double low, double high, int most, bool widened) {
  require_finite(low, high);
  if (low == 0 && high == 0) high = 1;
  if (!(high > low)) {
    const double room = std::fabs(low) / 2;
    low -= room;
    high = low + 2 * room;
  }
  const double unit = round_up((high - low) / std::max(1, most - 1));
  Axis axis;
  axis.low_ = widened ? std::floor(low / unit + 1e-9) * unit : low;
  const double end = std::ceil(high / unit - 1e-9) * unit;
  axis.high_ = widened || end - high <= 0.01 * (high - low) ? end : high;
  const double first = std::ceil(axis.low_ / unit - 1e-9);
  const double last = std::floor(axis.high_ / unit + 1e-9);
  for (double i = first; i <= last; ++i) axis.ticks_.push_back({i * unit, tick_label(i * unit, unit)});
  return axis;
}

Axis Axis::logarithmic(double low, double high, int most) {
  require_finite(low, high);
  if (!(low > 0)) throw Error(str("a logarithmic axis can not begin at ", low));
  if (!(high > low)) high = low;
  // Less than two decades end at 1, 2 or 5 times a power of ten, more at a power of ten.
  const bool few = high / low < 100;
  const auto down = [few](double value) { return few ? 1 / round_up(1 / value) : std::pow(10, decade(value)); };
  Axis axis;
  axis.logarithmic_ = true;
  axis.low_ = down(low);
  axis.high_ = few ? round_up(high) : std::pow(10, std::ceil(std::log10(high) - 1e-9));
  if (!(axis.high_ > axis.low_)) axis.low_ /= 2, axis.high_ *= 2;
  const int first = decade(axis.low_);
  const int last = decade(axis.high_);
  const int every = (last - first) / std::max(1, most - 1) + 1;
  for (int d = first; d <= last; ++d) {
    const double power = std::pow(10, d);
    for (int digit = 1; digit < 10; ++digit) {
      const double value = digit * power;
      if (value < axis.low_ * (1 - 1e-9) || value > axis.high_ * (1 + 1e-9)) continue;
      const bool named = digit == 1 ? (d - first) % every == 0 : few && (digit == 2 || digit == 5);
      const std::string label = first < -3 || last > 6 ? scientific(value, 0) : tick_label(value, power);
      if (named || every == 1 || digit == 1) axis.ticks_.push_back({value, named ? label : ""});
    }
  }
  return axis;
}

double Axis::part(double value) const {
  if (logarithmic_) return std::log(value / low_) / std::log(high_ / low_);
  return (value - low_) / (high_ - low_);
}

}  // namespace tape::inline TAPE_ABI::tool
