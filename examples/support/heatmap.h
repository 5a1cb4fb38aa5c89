// Heat maps as SVG: a number for each pair of a row and a column, as a colour and as a text, so that no colour has to
// be matched and the picture serves the colour-blind and a printer without colours. It follows the viewer's light or
// dark theme.
#pragma once

#include <string>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::tool {

struct HeatCell {
  double value = 0;  ///< decides the colour; one that is not finite has none
  std::string text = {};
  bool crossed = false;  ///< failed: hatched, with a cross before its text
};

struct Heatmap {
  std::string title = {};
  std::string x_name = {};
  std::string y_name = {};
  std::vector<std::string> columns = {};
  std::vector<std::string> rows = {};             ///< from the top
  std::vector<std::vector<HeatCell>> cells = {};  ///< cells[row][column]
  std::string value_name = {};                    ///< of the scale beside the map
  std::string cross_name = {};                    ///< what a cross stands for
};

/// The picture, as a text of UTF-8. Colours go from the least finite value (light) to the largest (dark). Throws Error
/// without rows and columns, and when the cells do not fit them.
std::string to_svg(const Heatmap& map);

}  // namespace tape::inline TAPE_ABI::tool
