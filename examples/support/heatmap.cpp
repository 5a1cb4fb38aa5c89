#include <tape/examples/support/heatmap.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/core/error.h>
#include <tape/examples/support/svg_writer.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr double font = svg_font;
constexpr double title_font = svg_title_font;
constexpr double margin = svg_margin;
constexpr double cell_height = 30;
constexpr double scale_height = 88;
constexpr int scale_steps = 24;

class Picture : SvgWriter {
 public:
  explicit Picture(const Heatmap& map) : map_(map) {
    for (const std::vector<HeatCell>& row : map.cells) {
      for (const HeatCell& cell : row) {
        if (!std::isfinite(cell.value)) continue;
        low_ = std::min(low_, cell.value);
        high_ = std::max(high_, cell.value);
      }
    }
    double names = 0;
    for (const std::string& row : map.rows) names = std::max(names, text_width(row, font));
    cell_width_ = 56;
    for (const std::string& column : map.columns) cell_width_ = std::max(cell_width_, text_width(column, font) + 12);
    for (const std::vector<HeatCell>& row : map.cells) {
      for (const HeatCell& cell : row) cell_width_ = std::max(cell_width_, text_width("× " + cell.text, font) + 12);
    }
    left_ = margin + names + 10;
    top_ = margin + (map.title.empty() ? 0 : 24) + 20;
    right_ = left_ + cell_width_ * static_cast<double>(map.columns.size());
    bottom_ = std::max(top_ + cell_height * static_cast<double>(map.rows.size()), top_ + scale_height + 12);
    scale_left_ = std::max(right_ + 24, margin + text_width(map.y_name, font) + 16);
    width_ = std::max({scale_left_ + std::max(60.0, text_width(map.value_name, font)) + margin,
                       margin * 2 + text_width(map.title, title_font),
                       margin * 2 + text_width("× " + map.cross_name, font)});
    cells_bottom_ = top_ + cell_height * static_cast<double>(map.rows.size());
    height_ = std::max(cells_bottom_ + 18 + (map.x_name.empty() ? 0 : 20), bottom_) +
              (map.cross_name.empty() ? 0 : 22) + margin / 2;
  }

  std::string draw() {
    open();
    headings();
    cells();
    scale();
    return finished();
  }

 private:
  double part(double value) const { return high_ > low_ ? (value - low_) / (high_ - low_) : 0; }

  void open() {
    put("{}", svg_begin(width_, height_, map_.title.empty() ? map_.value_name : map_.title,
                        fmt::format("{} for {} and {}", map_.value_name, map_.y_name, map_.x_name),
                        ".empty { fill: #2b3137 }"));
  }

  void headings() {
    if (!map_.title.empty()) put("{}", svg_title(margin + 8, map_.title));
    if (!map_.y_name.empty()) soft(margin, top_ - 8, "start", map_.y_name);
    if (!map_.cross_name.empty()) soft(margin, height_ - 10, "start", "× " + map_.cross_name);
    for (std::size_t c = 0; c < map_.columns.size(); ++c) {
      soft(left_ + cell_width_ * (static_cast<double>(c) + 0.5), cells_bottom_ + 17, "middle", map_.columns[c]);
    }
    for (std::size_t r = 0; r < map_.rows.size(); ++r) {
      soft(left_ - 8, top_ + cell_height * (static_cast<double>(r) + 0.5) + 4, "end", map_.rows[r]);
    }
    if (!map_.x_name.empty()) soft((left_ + right_) / 2, cells_bottom_ + 37, "middle", map_.x_name);
  }

  void cells() {
    for (std::size_t r = 0; r < map_.rows.size(); ++r) {
      for (std::size_t c = 0; c < map_.columns.size(); ++c) cell(r, c);
    }
  }

  void cell(std::size_t r, std::size_t c) {
    const HeatCell& cell = map_.cells[r][c];
    const double x = left_ + cell_width_ * static_cast<double>(c);
    const double y = top_ + cell_height * static_cast<double>(r);
    const bool filled = std::isfinite(cell.value);
    put(R"(<rect x="{}" y="{}" width="{}" height="{}" {}/>)", coordinate(x + 1), coordinate(y + 1),
        coordinate(cell_width_ - 2), coordinate(cell_height - 2),
        filled ? fmt::format(R"(fill="{}")", colour_at(part(cell.value))) : R"(class="empty" fill="#e3e6e9")");
    const char* ink = filled ? ink_on(part(cell.value)) : "#1d2226";
    if (cell.crossed) {  // strokes at both edges of the cell, seen where colours are not
      put(R"(<path d="M{0} {1}v{2}M{3} {1}v{2}" stroke="{4}" stroke-width="2" stroke-dasharray="3 3"/>)",
          coordinate(x + 4), coordinate(y + 4), coordinate(cell_height - 8), coordinate(x + cell_width_ - 4), ink);
    }
    put(R"(<text x="{}" y="{}" {} text-anchor="middle">{}</text>)", coordinate(x + cell_width_ / 2),
        coordinate(y + cell_height / 2 + 4),
        filled ? fmt::format(R"(fill="{}")", ink) : R"(class="ink" fill="#1d2226")",
        xml_text((cell.crossed ? "× " : "") + cell.text));
  }

  void scale() {
    if (!std::isfinite(low_)) return;
    colour_bar(scale_left_, top_, scale_height, scale_steps);
    soft(scale_left_ + 18, top_ + 10, "start", fmt::format("{:.3g}", high_));
    soft(scale_left_ + 18, top_ + scale_height, "start", fmt::format("{:.3g}", low_));
    soft(scale_left_, top_ - 8, "start", map_.value_name);
  }

  const Heatmap& map_;
  double low_ = std::numeric_limits<double>::infinity();
  double high_ = -std::numeric_limits<double>::infinity();
  double cell_width_, left_, top_, right_, bottom_, cells_bottom_, scale_left_, width_, height_;
};

}  // namespace

std::string to_svg(const Heatmap& map) {
  if (map.rows.empty() || map.columns.empty()) throw Error("a heat map needs rows and columns");
  bool fits = map.cells.size() == map.rows.size();
  for (const std::vector<HeatCell>& row : map.cells) fits = fits && row.size() == map.columns.size();
  if (!fits)
    throw Error(
        str("the cells of a heat map do not fit its ", map.rows.size(), " rows and ", map.columns.size(), " columns"));
  return Picture(map).draw();
}

}  // namespace tape::inline TAPE_ABI::tool
