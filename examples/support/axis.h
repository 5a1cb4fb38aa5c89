// An axis of a chart: which numbers it shows, and where they lie.
#pragma once

#include <string>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::tool {

struct Tick {
  double value = 0;
  std::string label;  ///< empty for a small one between those with labels
};

class Axis {
 public:
  /// From `low` to `high`, with at most `most` ticks at round numbers: 1, 2 or 5 times a power of ten apart. `widened`
  /// goes on to a round number at both ends; otherwise the axis ends at `high`, or at a round number no more than 1 %
  /// farther. An empty range gets a little room on both sides.
  /// Throws Error for numbers that are not finite.
  static Axis linear(double low, double high, int most, bool widened);
  /// The same with equal distances for equal ratios, and always widened. Throws Error unless 0 < low.
  static Axis logarithmic(double low, double high, int most);

  double low() const { return low_; }
  double high() const { return high_; }
  /// 0 at low(), 1 at high().
  double part(double value) const;
  const std::vector<Tick>& ticks() const { return ticks_; }

 private:
  double low_ = 0;
  double high_ = 1;
  bool logarithmic_ = false;
  std::vector<Tick> ticks_;
};

/// A number as a label, exact to `unit`: "0", "0.25", "1,500", "2e-4", "1.5e7".
std::string tick_label(double value, double unit);

}  // namespace tape::inline TAPE_ABI::tool
