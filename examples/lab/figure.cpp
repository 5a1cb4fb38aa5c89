#include <tape/examples/lab/figure.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include <tape/examples/support/heatmap.h>
#include <tape/examples/support/line_chart.h>
#include <tape/nn/scheme.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

const Text crossed{"a seed failed", "有种子失败"};

bool any_failed(const Results& results) {
  return std::ranges::any_of(
      results.rows(), [](const Row& row) { return row.result.has("failed") && !(row.result.number("failed") <= 0); });
}

std::string short_name(double number) {
  const double size = std::fabs(number);
  if (size == 0 || (size >= 0.01 && size < 1e5)) return fmt::format("{:.6g}", number);
  const std::string text = fmt::format("{:.1e}", number);  // "2.0e-03" → "2e-3"
  const std::size_t e = text.find('e');
  const std::string digits = text.substr(0, e);
  return (digits.ends_with(".0") ? digits.substr(0, digits.size() - 2) : digits) + "e" +
         std::to_string(std::stoi(text.substr(e + 1)));
}

std::string cell_text(const Estimate& e) {
  if (e.count == 0) return "-";
  const double size = std::fabs(e.mean);
  return size >= 1000 || (size < 0.01 && size > 0) ? fmt::format("{:.1e}", e.mean)
                                                   : fmt::format("{:.{}f}", e.mean, size < 10 ? 2 : 1);
}

std::string svg_of(const Curves& c, Language language) {
  tool::LineChart chart{.x_name = line(c.x_name, language),
                        .y_name = line(c.y_name, language),
                        .dots = c.dots,
                        .log_x = c.log_x,
                        .log_y = c.log_y,
                        .zero_y = c.zero_y};
  for (const Curve& curve : c.curves) {
    tool::Series series{.name = line(curve.name, language)};
    bool drawn = false;
    for (const CurvePoint& p : curve.points) {
      series.points.push_back({p.x, p.y.mean});
      // On a logarithmic axis as far down as up: mean - sd may be no number that it has.
      const double low = c.log_y ? p.y.mean * p.y.mean / (p.y.mean + p.y.sd) : p.y.mean - p.y.sd;
      series.spread.push_back({low, p.y.mean + p.y.sd});
      if (p.failed) series.crosses.push_back({p.x, p.y.mean});
      drawn = drawn || (std::isfinite(p.y.mean) && (p.y.mean > 0 || !c.log_y) && (p.x > 0 || !c.log_x));
    }
    if (!series.crosses.empty()) chart.cross_name = line(crossed, language);
    if (drawn) chart.series.push_back(std::move(series));
  }
  return chart.series.empty() ? "" : tool::to_svg(chart);
}

std::string svg_of(const Map& map, Language language) {
  tool::Heatmap heat{.x_name = line(map.x_name, language),
                     .y_name = line(map.y_name, language),
                     .value_name = line(map.value_name, language)};
  for (const Text& column : map.columns) heat.columns.push_back(line(column, language));
  for (std::size_t r = 0; r < map.rows.size(); ++r) {
    heat.rows.push_back(line(map.rows[r], language));
    heat.cells.emplace_back();
    for (const MapCell& cell : map.cells[r]) {
      heat.cells.back().push_back({cell.value.mean, cell_text(cell.value), cell.failed});
      if (cell.failed) heat.cross_name = line(crossed, language);
    }
  }
  return heat.rows.empty() || heat.columns.empty() ? "" : tool::to_svg(heat);
}

std::string with_mark(const Estimate& value, bool failed) {
  return to_string(value) + (failed ? " ×" : "");
}

Table table_of(const Curves& c) {
  std::set<double> all;
  for (const Curve& curve : c.curves) {
    for (const CurvePoint& p : curve.points) all.insert(p.x);
  }
  Table table;
  table.head.push_back(c.x_name);
  for (const Curve& curve : c.curves) table.head.push_back(curve.name);
  for (const double x : all) {
    table.rows.push_back({short_name(x)});
    for (const Curve& curve : c.curves) {
      const auto p = std::ranges::find(curve.points, x, &CurvePoint::x);
      table.rows.back().push_back(p == curve.points.end() ? "" : with_mark(p->y, p->failed));
    }
  }
  return table;
}

Table table_of(const Map& map) {
  Table table;
  table.head.push_back({map.y_name.en + " \\ " + map.x_name.en, map.y_name.zh + " \\ " + map.x_name.zh});
  table.head.insert(table.head.end(), map.columns.begin(), map.columns.end());
  for (std::size_t r = 0; r < map.rows.size(); ++r) {
    table.rows.push_back({map.rows[r]});
    for (const MapCell& cell : map.cells[r]) table.rows.back().push_back(with_mark(cell.value, cell.failed));
  }
  return table;
}

}  // namespace

Curve curve(const Results& results, std::string_view x, std::string_view key, Text name) {
  Curve result{std::move(name), {}};
  for (const double at : results.numbers(x)) {
    const Results here = results.where(Fields{{std::string(x), at}});
    result.points.push_back({at, here.of(key), any_failed(here)});
  }
  return result;
}

Curve profile(const Results& results, std::string_view key, Text name, double first) {
  std::size_t length = 0;
  for (const Row& row : results.rows()) length = std::max(length, row.result.list(key).size());
  Curve result{std::move(name), {}};
  for (std::size_t i = 0; i < length; ++i)
    result.points.push_back({first + static_cast<double>(i), results.of(key, i), false});
  return result;
}

std::vector<Curve> curves_by(const Results& results, std::string_view by, std::string_view x, std::string_view key) {
  std::vector<Curve> all;
  for (const std::string& name : results.texts(by)) {
    all.push_back(curve(results.where(Fields{{std::string(by), name}}), x, key, title_of(name)));
  }
  return all;
}

Map map_of(const Results& results, std::string_view x, std::string_view y, std::string_view key) {
  Map map;
  for (const double column : results.numbers(x)) map.columns.emplace_back(short_name(column));
  for (const double row : results.numbers(y)) {
    map.rows.emplace_back(short_name(row));
    map.cells.emplace_back();
    for (const double column : results.numbers(x)) {
      const Results here = results.where(Fields{{std::string(x), column}, {std::string(y), row}});
      map.cells.back().push_back({here.of(key), any_failed(here)});
    }
  }
  return map;
}

std::string title_of(const std::string& name) {
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    if (row.name == name) return std::string(row.title);
  }
  return name;
}

std::string to_svg(const Figure& figure, Language language) {
  if (const auto* curves = std::get_if<Curves>(&figure.content)) return svg_of(*curves, language);
  if (const auto* map = std::get_if<Map>(&figure.content)) return svg_of(*map, language);
  return "";
}

Table table_of(const Figure& figure) {
  if (const auto* curves = std::get_if<Curves>(&figure.content)) return table_of(*curves);
  if (const auto* map = std::get_if<Map>(&figure.content)) return table_of(*map);
  return std::get<Table>(figure.content);
}

}  // namespace tape::inline TAPE_ABI::lab
