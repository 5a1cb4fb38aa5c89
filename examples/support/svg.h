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

/// Sizes in pictures: of text, of titles, and of the rim around all.
constexpr double svg_font = 12;
constexpr double svg_title_font = 16;
constexpr double svg_margin = 20;

/// How a picture begins: its size, title and description, fonts and paper. Colours are attributes, for programs that
/// know no style sheets; the style sheet has those of the dark theme, of paper, ink and soft text and what `dark` says.
std::string svg_begin(double width, double height, std::string_view title, std::string_view description,
                      std::string_view dark);
/// The title of a picture, its base line at y.
std::string svg_title(double y, std::string_view title);
/// Text of the colour of ink, from x on, and text less strong; `anchor` says what of it is at x: start, middle or end.
std::string svg_ink(double x, double y, std::string_view text);
std::string svg_soft(double x, double y, std::string_view anchor, std::string_view text);

struct Point {
  double x = 0;
  double y = 0;
};

/// The same line with those points left out that lie within `tolerance` of what is left (Douglas & Peucker 1973).
std::vector<Point> simplified(const std::vector<Point>& line, double tolerance);

/// "M0 1L2 3.5": the data of a path through all points.
std::string path_data(const std::vector<Point>& line);

}  // namespace tape::inline TAPE_ABI::tool
