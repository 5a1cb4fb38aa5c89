// Line charts as SVG: one file that browsers, documents and README pages show, sharp at any size. It follows the
// viewer's light or dark theme. Lines differ in colour (also for the colour-blind) and in their dashes, and each has
// its name at its end, so that no legend has to be matched. A line may have a band around it, for the spread of what
// was measured, and crosses where something went wrong.
#pragma once

#include <string>
#include <vector>

#include <tape/examples/support/svg.h>

namespace tape::inline TAPE_ABI::tool {

/// The numbers from `low` to `high`.
struct Interval {
  double low = 0;
  double high = 0;
};

struct Series {
  std::string name = {};
  std::vector<Point> points =
      {};  ///< with x ascending; those that are not finite, or not above 0 on a log axis, are gaps
  std::vector<Interval> spread = {};  ///< around each point; empty for a line without a band
  std::vector<Point> crosses = {};    ///< points that failed; those without a finite y stand at the upper edge
};

/// A stretch of x that is shaded.
struct Band {
  double from = 0;
  double to = 0;
  std::string name = {};
};

/// A height that is marked across the plot.
struct Guide {
  double y = 0;
  std::string name = {};
};

struct LineChart {
  std::string title = {};
  std::string subtitle = {};
  std::string x_name = {};
  std::string y_name = {};
  std::vector<Series> series = {};
  std::vector<Band> bands = {};
  std::vector<Guide> guides = {};
  std::string cross_name = {};  ///< what a cross stands for
  bool dots = false;            ///< a dot at each point: there are few, and each was measured
  bool log_x = false;
  bool log_y = false;
  bool zero_y = false;  ///< a linear y axis begins at 0
  double width = 760;
  double height = 440;
};

/// As many series can be told apart.
constexpr std::size_t most_series = 8;

/// The picture, as a text of UTF-8. Throws Error when there are no series or too many, and for one without a point that
/// can be drawn.
std::string to_svg(const LineChart& chart);

}  // namespace tape::inline TAPE_ABI::tool
