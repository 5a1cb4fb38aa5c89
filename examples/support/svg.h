// What SVG pictures are written with: text that can not break the XML, coordinates, and lines with no more points than
// can be seen.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::tool {

/// UTF-8 text with & < > " replaced by their names, and control characters by spaces.
std::string xml_text(std::string_view text);

/// A coordinate to two decimals, without zeros at its end: "12.5".
std::string coordinate(double value);

/// About how wide a text of this font size is in a usual sans-serif font; rather too wide than too narrow.
double text_width(std::string_view utf8, double size);

struct Point {
  double x = 0;
  double y = 0;
};

/// The same line with those points left out that lie within `tolerance` of what is left (Douglas & Peucker 1973).
std::vector<Point> simplified(const std::vector<Point>& line, double tolerance);

/// "M0 1L2 3.5": the data of a path through all points.
std::string path_data(const std::vector<Point>& line);

}  // namespace tape::inline TAPE_ABI::tool
