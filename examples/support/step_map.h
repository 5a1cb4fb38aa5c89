// Maps over time as SVG: one colour for each of some rows (layers, say) and each of many steps. Too many cells for
// numbers in them: those are for a table. It follows the viewer's light or dark theme, and prints without colours.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tape/examples/support/line_chart.h>

namespace tape::inline TAPE_ABI::tool {

struct StepMap {
  std::string x_name = {};
  std::string y_name = {};
  std::string value_name = {};                  ///< of the scale beside the map
  std::string empty_name = {};                  ///< what a cell without a colour stands for
  std::vector<double> steps = {};               ///< ascending, a column each
  std::vector<std::string> rows = {};           ///< from the top
  std::vector<std::vector<double>> cells = {};  ///< cells[row][column]; one that is not finite has no colour
  bool log = false;                             ///< equal steps of colour for equal ratios; 0 and below have none
  std::optional<Interval> range = {};           ///< of the scale, to compare maps; that of the cells unless given
  double width = 760;
};

/// The picture, as a text of UTF-8. Of more than 160 columns some are left out, evenly. Throws Error without rows and
/// columns, and when the cells do not fit them.
std::string to_svg(const StepMap& map);

/// The least and largest value that has a colour; nothing without one.
std::optional<Interval> range_of(const std::vector<std::vector<double>>& cells, bool log);

}  // namespace tape::inline TAPE_ABI::tool
