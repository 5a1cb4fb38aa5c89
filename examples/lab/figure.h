// What an experiment shows: curves over a measured quantity, maps of two, and tables, as numbers with their spread. The
// page draws them as SVG and puts the numbers behind each picture into a table.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include <tape/examples/lab/results.h>
#include <tape/examples/lab/text.h>

namespace tape::inline TAPE_ABI::lab {

struct CurvePoint {
  double x = 0;
  Estimate y;
  bool failed = false;  ///< at least one seed failed here: marked by a cross
};
struct Curve {
  Text name;
  std::vector<CurvePoint> points;  ///< with x ascending
};
struct Curves {
  Text x_name = {}, y_name = {};  ///< with units
  std::vector<Curve> curves = {};
  bool log_x = false;
  bool log_y = false;
  bool zero_y = false;
  bool dots = true;  ///< a dot where it was measured
};

struct MapCell {
  Estimate value;
  bool failed = false;
};
struct Map {
  Text x_name = {}, y_name = {}, value_name = {};
  std::vector<Text> columns = {};
  std::vector<Text> rows = {};
  std::vector<std::vector<MapCell>> cells = {};  ///< cells[row][column]
};

struct Table {
  std::vector<Text> head;
  std::vector<std::vector<Text>> rows;
};

struct Figure {
  Text title;
  Text caption;
  std::variant<Curves, Map, Table> content;
  /// What the numbers behind the picture are.
  Text numbers = {"Numbers: mean ± standard deviation over seeds", "数据：各种子的均值 ± 标准差"};
};

/// One curve: the measured number `key` for each value of the cell's field `x`. With a measured "failed" above 0 in any
/// seed a point is marked.
Curve curve(const Results& results, std::string_view x, std::string_view key, Text name);
/// One curve over the elements of a measured list: x = first, first + 1, …
Curve profile(const Results& results, std::string_view key, Text name, double first = 1);
/// A curve for each value of the cell's text field `by`, named by `names` (scheme_title for schemes).
std::vector<Curve> curves_by(const Results& results, std::string_view by, std::string_view x, std::string_view key);
/// A map of the measured number `key` over two numeric fields of the cell.
Map map_of(const Results& results, std::string_view x, std::string_view y, std::string_view key);

/// "post" → "Post-LN": the title of a residual scheme; another text stays as it is.
std::string title_of(const std::string& name);

/// The figure as SVG, empty for a table, which is text. The chart's own words are in this language.
std::string to_svg(const Figure& figure, Language language);
/// The numbers behind a figure as a table.
Table table_of(const Figure& figure);

}  // namespace tape::inline TAPE_ABI::lab
