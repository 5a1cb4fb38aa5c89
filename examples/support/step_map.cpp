#include <tape/examples/support/step_map.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <tape/core/error.h>
#include <tape/examples/support/numbers.h>
#include <tape/examples/support/svg_writer.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr double font = svg_font;
constexpr double margin = svg_margin;
constexpr double scale_width = 92;
constexpr double scale_height = 110;
constexpr int levels = 48;  // of colour: more can not be told apart
constexpr std::size_t most_columns = 160;

bool has_colour(double value, bool log) {
  return std::isfinite(value) && (value > 0 || !log);
}

class Picture : SvgWriter {
 public:
  explicit Picture(const StepMap& map) : map_(map) {
    columns_ = some_of(map.steps.size(), most_columns);
    range_ = map.range ? map.range : range_of(map.cells, map.log);
    double names = 0;
    for (const std::string& row : map.rows) names = std::max(names, text_width(row, font));
    row_height_ = std::clamp(360.0 / static_cast<double>(map.rows.size()), 5.0, 26.0);
    left_ = margin + std::min(names, map.width / 2) + 10;
    right_ = map.width - margin - scale_width;
    top_ = margin + 20;
    bottom_ = top_ + row_height_ * static_cast<double>(map.rows.size());
    const bool gaps = std::ranges::any_of(map.cells, [&](const std::vector<double>& row) {
      return std::ranges::any_of(row, [&](double value) { return !has_colour(value, map.log); });
    });
    empty_shown_ = gaps && !map.empty_name.empty();
    height_ = std::max(bottom_ + 46, top_ + scale_height + 8) + margin / 2;
  }

  std::string draw() {
    put("{}", svg_begin(map_.width, height_, map_.value_name,
                        fmt::format("{}: {}, {}", map_.value_name, map_.y_name, map_.x_name),
                        ".empty { fill: #2b3137 } .axis { stroke: #77808a }"));
    soft(margin, top_ - 8, "start", map_.y_name);
    soft((left_ + right_) / 2, bottom_ + 38, "middle", map_.x_name);
    cells();
    rows();
    columns();
    scale();
    return finished();
  }

 private:
  double x_of(std::size_t column) const {
    return left_ + (right_ - left_) * static_cast<double>(column) / static_cast<double>(columns_.size());
  }
  double y_of(std::size_t row) const { return top_ + row_height_ * static_cast<double>(row); }

  // -1: no colour.
  int level_of(double value) const {
    if (!has_colour(value, map_.log) || !range_) return -1;
    const auto at = [this](double v) { return map_.log ? std::log(v) : v; };
    const double low = at(range_->low);
    const double high = at(range_->high);
    const double part = high > low ? std::clamp((at(value) - low) / (high - low), 0.0, 1.0) : 0;
    return static_cast<int>(std::lround(part * (levels - 1)));
  }

  // One path for each colour; neighbours of one colour are one rectangle.
  void cells() {
    put(R"(<rect class="empty" x="{}" y="{}" width="{}" height="{}" fill="#e3e6e9"/>)", coordinate(left_),
        coordinate(top_), coordinate(right_ - left_), coordinate(bottom_ - top_));
    std::map<int, std::string> paths;
    for (std::size_t r = 0; r < map_.rows.size(); ++r) {
      for (std::size_t c = 0, end; c < columns_.size(); c = end) {
        const int level = level_of(map_.cells[r][columns_[c]]);
        for (end = c + 1; end < columns_.size() && level_of(map_.cells[r][columns_[end]]) == level;) ++end;
        if (level < 0) continue;
        const std::string width = coordinate(x_of(end) - x_of(c));
        paths[level] += fmt::format("M{} {}h{}v{}h-{}z", coordinate(x_of(c)), coordinate(y_of(r)), width,
                                    coordinate(row_height_), width);
      }
    }
    for (const auto& [level, path] : paths) {
      put(R"(<path fill="{}" shape-rendering="crispEdges" d="{}"/>)",
          colour_at(level / static_cast<double>(levels - 1)), path);
    }
  }

  void rows() {
    const auto every = static_cast<std::size_t>(std::ceil(14 / row_height_));
    for (std::size_t r = 0; r < map_.rows.size(); r += every)
      soft(left_ - 8, y_of(r) + row_height_ / 2 + 4, "end", map_.rows[r]);
  }

  void columns() {
    double free = left_ - 40;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::string label = grouped(std::llround(map_.steps[columns_[c]]));
      const double x = (x_of(c) + x_of(c + 1)) / 2;
      const double half = text_width(label, font) / 2;
      const bool last = c + 1 == columns_.size();
      if (x - half < free || (!last && x + half + 60 > right_)) continue;
      put(R"(<path class="axis" d="M{} {}v5" stroke="#8b949c"/>)", coordinate(x), coordinate(bottom_));
      soft(x, bottom_ + 19, "middle", label);
      free = x + half + 40;
    }
  }

  void scale() {
    const double x = right_ + 20;
    soft(map_.width - margin, top_ - 8, "end", map_.value_name);
    if (range_) {
      colour_bar(x, top_, scale_height, levels);
      const double middle = map_.log ? std::sqrt(range_->low * range_->high) : (range_->low + range_->high) / 2;
      soft(x + 18, top_ + 10, "start", fmt::format("{:.3g}", range_->high));
      if (range_->high > range_->low) {
        soft(x + 18, top_ + scale_height / 2 + 4, "start", fmt::format("{:.3g}", middle));
        soft(x + 18, top_ + scale_height, "start", fmt::format("{:.3g}", range_->low));
      }
    }
    if (!empty_shown_) return;
    put(R"(<rect class="empty" x="{}" y="{}" width="12" height="12" fill="#e3e6e9"/>)", coordinate(margin),
        coordinate(bottom_ + 28));
    soft(margin + 18, bottom_ + 38, "start", map_.empty_name);
  }

  const StepMap& map_;
  std::vector<std::size_t> columns_;  // which steps are drawn
  std::optional<Interval> range_;
  bool empty_shown_ = false;
  double row_height_ = 0, left_ = 0, right_ = 0, top_ = 0, bottom_ = 0, height_ = 0;
};

}  // namespace

std::optional<Interval> range_of(const std::vector<std::vector<double>>& cells, bool log) {
  Interval range{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  for (const std::vector<double>& row : cells) {
    for (const double value : row) {
      if (!has_colour(value, log)) continue;
      range = {std::min(range.low, value), std::max(range.high, value)};
    }
  }
  return range.low <= range.high ? std::optional<Interval>(range) : std::nullopt;
}

std::string to_svg(const StepMap& map) {
  if (map.rows.empty() || map.steps.empty()) throw Error("a map needs rows and steps");
  bool fits = map.cells.size() == map.rows.size();
  for (const std::vector<double>& row : map.cells) fits = fits && row.size() == map.steps.size();
  if (!fits)
    throw Error(str("the cells of a map do not fit its ", map.rows.size(), " rows and ", map.steps.size(), " steps"));
  return Picture(map).draw();
}

}  // namespace tape::inline TAPE_ABI::tool
