#include <tape/examples/support/line_chart.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include <tape/core/error.h>
#include <tape/examples/support/axis.h>
#include <tape/examples/support/svg_writer.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

// The colours of Okabe and Ito 2008 for the colour-blind, darker and lighter ones for enough contrast with the paper.
struct Style {
  const char* light;
  const char* dark;
  const char* dashes;
};
constexpr std::array<Style, most_series> styles{{{"#0072b2", "#5ab4e8", ""},
                                                 {"#d55e00", "#ff8a4c", "9 4"},
                                                 {"#00795a", "#2fc79a", "2 3"},
                                                 {"#b0418a", "#e58cc4", "11 3 2 3"},
                                                 {"#8a6a00", "#e3b93a", "5 3"},
                                                 {"#3a3f44", "#dfe3e6", "15 4"},
                                                 {"#2f8fc9", "#a5d4f2", "11 3 2 3 2 3"},
                                                 {"#7a3e1d", "#d6a184", "4 7"}}};

constexpr double font = svg_font;
constexpr double row = 17;     // from name to name
constexpr double leader = 48;  // from the plot to the names
constexpr double margin = svg_margin;

// Where things lie.
struct Layout {
  double left, right, top, bottom;  // of the plot
  Axis x, y;

  double at_x(double value) const { return left + (right - left) * x.part(value); }
  double at_y(double value) const { return bottom - (bottom - top) * y.part(value); }
};

bool has_place(double value, bool logarithmic) {
  return std::isfinite(value) && (value > 0 || !logarithmic);
}
bool drawable(const LineChart& chart, const Point& p) {
  return has_place(p.x, chart.log_x) && has_place(p.y, chart.log_y);
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// On a logarithmic axis the part of a spread below the line has no natural end, as low goes to 0: it is drawn as far as
// the part above, as a ratio, at most.
Interval shown_spread(const LineChart& chart, const Point& p, const Interval& interval) {
  if (!chart.log_y || !(interval.high > 0)) return interval;
  return {std::max(interval.low, p.y * (p.y / interval.high)), interval.high};
}

Layout layout_of(const LineChart& chart) {
  Range x, y;
  double names = 0;
  for (const Series& series : chart.series) {
    for (const Point& p : series.points) {
      if (!drawable(chart, p)) continue;
      x.add(p.x);
      y.add(p.y);
    }
    for (std::size_t k = 0; k < std::min(series.points.size(), series.spread.size()); ++k) {
      if (!drawable(chart, series.points[k])) continue;
      const Interval shown = shown_spread(chart, series.points[k], series.spread[k]);
      if (has_place(shown.low, chart.log_y)) y.add(shown.low);
      if (has_place(shown.high, chart.log_y)) y.add(shown.high);
    }
    for (const Point& p : series.crosses) {
      if (has_place(p.x, chart.log_x)) x.add(p.x);
      if (drawable(chart, p)) y.add(p.y);
    }
    names = std::max(names, text_width(series.name, font));
  }
  for (const Guide& guide : chart.guides) {
    if (has_place(guide.y, chart.log_y)) y.add(guide.y);
  }
  if (chart.zero_y && !chart.log_y) y.add(0);
  Layout l{};
  l.y = chart.log_y ? Axis::logarithmic(y.low, y.high, 7) : Axis::linear(y.low, y.high, 7, true);
  double labels = 0;
  for (const Tick& tick : l.y.ticks()) labels = std::max(labels, text_width(tick.label, font));
  l.left = margin + labels + 8;
  l.right = std::max(l.left + chart.width / 4, chart.width - margin - names - leader);  // long names break off
  l.top = margin + (chart.title.empty() ? 0 : 22) + (chart.subtitle.empty() ? 0 : 18) +
          (chart.y_name.empty() ? 0 : 22) + (chart.bands.empty() ? 0 : 16);
  l.bottom = chart.height - margin - 18 - (chart.x_name.empty() ? 0 : 18);
  const int most_ticks = std::clamp(static_cast<int>((l.right - l.left) / 80), 2, 9);
  l.x = chart.log_x ? Axis::logarithmic(x.low, x.high, most_ticks) : Axis::linear(x.low, x.high, most_ticks, false);
  return l;
}

// Pieces of the line between gaps.
std::vector<std::vector<Point>> pieces(const LineChart& chart, const Layout& l, const Series& series) {
  std::vector<std::vector<Point>> result(1);
  for (const Point& p : series.points) {
    if (drawable(chart, p)) {
      result.back().push_back({l.at_x(p.x), l.at_y(p.y)});
    } else if (!result.back().empty()) {
      result.emplace_back();
    }
  }
  if (result.back().empty()) result.pop_back();
  return result;
}

// Heights for the names: as near to the wanted ones (ascending) as can be with a row for each (least squares, by
// pooling neighbours that are too close), within top … bottom.
std::vector<double> spread(const std::vector<double>& wanted, double top, double bottom) {
  struct Pool {
    double sum;
    double count;
    double mean() const { return sum / count; }
  };
  std::vector<Pool> pools;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    pools.push_back({wanted[i] - row * static_cast<double>(i), 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean() >= pools.back().mean()) {
      const Pool last = pools.back();
      pools.pop_back();
      pools.back() = {pools.back().sum + last.sum, pools.back().count + last.count};
    }
  }
  const double most = std::max(top, bottom - row * static_cast<double>(wanted.size() - 1));
  std::vector<double> heights;
  for (const Pool& pool : pools) {
    for (double i = 0; i < pool.count; ++i) {
      heights.push_back(std::clamp(pool.mean(), top, most) + row * static_cast<double>(heights.size()));
    }
  }
  return heights;
}

class Picture : SvgWriter {
 public:
  explicit Picture(const LineChart& chart) : chart_(chart), l_(layout_of(chart)) {}

  std::string draw() {
    open();
    headings();
    bands();
    axes();
    guides();
    spreads();
    lines();
    crosses();
    return finished();
  }

 private:
  void open() {
    std::string dark =
        ".band { fill: #ffffff }\n.grid { stroke: #2b3137 } .axis { stroke: #77808a }\n.guide { stroke: #a6adb4 }";
    for (std::size_t i = 0; i < chart_.series.size(); ++i)
      dark += fmt::format("\n.s{0} {{ stroke: {1} }} .f{0} {{ fill: {1} }}", i, styles[i].dark);
    put("{}", svg_begin(chart_.width, chart_.height, chart_.title.empty() ? chart_.y_name : chart_.title, description(),
                        dark));
  }

  std::string description() const {
    std::string names;
    for (const Series& series : chart_.series) names += (names.empty() ? "" : ", ") + series.name;
    return fmt::format("{} over {}: {}", chart_.y_name, chart_.x_name, names);
  }

  void headings() {
    double y = margin + 8;
    if (!chart_.title.empty()) {
      put("{}", svg_title(y, chart_.title));
      y += 20;
    }
    if (!chart_.subtitle.empty()) soft(margin, y, "start", chart_.subtitle);
    const double above = l_.top - (chart_.bands.empty() ? 10 : 26);
    if (!chart_.y_name.empty()) soft(margin, above, "start", chart_.y_name);
    if (!chart_.cross_name.empty()) soft(l_.right, above, "end", "× " + chart_.cross_name);
    if (!chart_.x_name.empty()) soft((l_.left + l_.right) / 2, chart_.height - margin + 4, "middle", chart_.x_name);
  }

  // Names stand above the plot, where no line is. One that would run into the one before it is left to the tool tip.
  void bands() {
    double free = l_.left - margin;
    for (const Band& band : chart_.bands) {
      const double from = std::clamp(l_.at_x(band.from), l_.left, l_.right);
      const double to = std::clamp(l_.at_x(band.to), l_.left, l_.right);
      put(R"(<rect class="band" x="{}" y="{}" width="{}" height="{}" fill="#000000" fill-opacity="0.06">)"
          R"(<title>{}</title></rect>)",
          coordinate(from), coordinate(l_.top), coordinate(to - from), coordinate(l_.bottom - l_.top),
          xml_text(band.name));
      const double width = text_width(band.name, font);
      const double start = width < to - from ? (from + to - width) / 2 : from;
      if (start < free || start + width > l_.right) continue;
      soft(start, l_.top - 7, "start", band.name);
      free = start + width + 8;
    }
  }

  void axes() {
    put(R"(<g class="grid" stroke="#e3e6e9" stroke-width="1" shape-rendering="crispEdges">)");
    for (const Tick& tick : l_.y.ticks()) {
      if (!tick.label.empty()) {
        put(R"(<path d="M{} {}H{}"/>)", coordinate(l_.left), coordinate(l_.at_y(tick.value)), coordinate(l_.right));
      }
    }
    put("</g>");
    put(R"(<g class="axis" stroke="#8b949c" stroke-width="1" shape-rendering="crispEdges">)");
    put(R"(<path d="M{} {}H{}"/>)", coordinate(l_.left), coordinate(l_.bottom), coordinate(l_.right));
    for (const Tick& tick : l_.x.ticks()) {
      put(R"(<path d="M{} {}v5"/>)", coordinate(l_.at_x(tick.value)), coordinate(l_.bottom));
    }
    for (const Tick& tick : l_.y.ticks()) {
      if (tick.label.empty()) put(R"(<path d="M{} {}h-4"/>)", coordinate(l_.left), coordinate(l_.at_y(tick.value)));
    }
    put("</g>");
    for (const Tick& tick : l_.x.ticks()) soft(l_.at_x(tick.value), l_.bottom + 19, "middle", tick.label);
    for (const Tick& tick : l_.y.ticks()) {
      if (!tick.label.empty()) soft(l_.left - 8, l_.at_y(tick.value) + 4, "end", tick.label);
    }
  }

  void guides() {
    for (const Guide& guide : chart_.guides) {
      if (!has_place(guide.y, chart_.log_y)) continue;
      const double y = l_.at_y(guide.y);
      put(R"(<path class="guide" d="M{} {}H{}" fill="none" stroke="#5b646d" stroke-width="1.5" stroke-dasharray="1 4" )"
          R"(stroke-linecap="round"/>)",
          coordinate(l_.left), coordinate(y), coordinate(l_.right));
      soft(l_.left + 6, y - 5, "start", guide.name);
    }
  }

  void spreads() {
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      const Series& series = chart_.series[i];
      std::vector<Point> upper, lower;
      for (std::size_t k = 0; k < std::min(series.points.size(), series.spread.size()); ++k) {
        if (!drawable(chart_, series.points[k])) continue;
        const Interval shown = shown_spread(chart_, series.points[k], series.spread[k]);
        if (!has_place(shown.low, chart_.log_y) || !has_place(shown.high, chart_.log_y)) continue;
        upper.push_back({l_.at_x(series.points[k].x), l_.at_y(shown.high)});
        lower.push_back({upper.back().x, l_.at_y(shown.low)});
      }
      if (upper.size() < 2) continue;
      std::ranges::reverse(lower);
      upper.insert(upper.end(), lower.begin(), lower.end());
      put(R"(<path class="f{}" d="{}Z" fill="{}" fill-opacity="0.16"/>)", i, path_data(upper), styles[i].light);
    }
  }

  void crosses() {
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      const Series& series = chart_.series[i];
      if (chart_.dots) {
        for (const Point& p : series.points) {
          if (!drawable(chart_, p)) continue;
          put(R"(<circle class="f{}" cx="{}" cy="{}" r="3" fill="{}"/>)", i, coordinate(l_.at_x(p.x)),
              coordinate(l_.at_y(p.y)), styles[i].light);
        }
      }
      for (const Point& p : series.crosses) {
        if (!has_place(p.x, chart_.log_x)) continue;
        const double x = l_.at_x(p.x);
        const double y = drawable(chart_, p) ? l_.at_y(p.y) : l_.top;
        put(R"(<path class="s{}" d="{}{}" fill="none" stroke="{}" stroke-width="2"><title>{}</title></path>)", i,
            path_data({{x - 6, y - 6}, {x + 6, y + 6}}), path_data({{x - 6, y + 6}, {x + 6, y - 6}}), styles[i].light,
            xml_text(series.name + ": " + chart_.cross_name));
      }
    }
  }

  void lines() {
    std::vector<Point> ends;
    std::vector<double> lately;  // mean height in the last part, to order names of lines that meet
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      std::string data;
      double sum = 0;
      double count = 0;
      Point end;
      for (const std::vector<Point>& piece : pieces(chart_, l_, chart_.series[i])) {
        data += path_data(simplified(piece, 0.1));
        end = piece.back();
        for (const Point& p : piece) {
          if (p.x < l_.left + 0.8 * (l_.right - l_.left)) continue;
          sum += p.y;
          ++count;
        }
      }
      stroke(i, data, 2.25);
      ends.push_back(end);
      lately.push_back(count > 0 ? sum / count : end.y);
    }
    names(ends, lately);
  }

  void names(const std::vector<Point>& ends, const std::vector<double>& lately) {
    std::vector<std::size_t> order(ends.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
      return std::fabs(ends[a].y - ends[b].y) < 1 ? lately[a] < lately[b] : ends[a].y < ends[b].y;
    });
    std::vector<double> wanted;
    for (const std::size_t i : order) wanted.push_back(ends[i].y);
    const std::vector<double> heights = spread(wanted, l_.top, l_.bottom);
    for (std::size_t k = 0; k < order.size(); ++k) {
      const std::size_t i = order[k];
      const double y = heights[k];
      const double sample = l_.right + leader - 31;
      put(R"(<path class="s{}" d="{}" fill="none" stroke="{}" stroke-width="1" stroke-opacity="0.7"/>)", i,
          path_data({ends[i], {l_.right + 4, ends[i].y}, {sample - 3, y}, {sample, y}}), styles[i].light);
      stroke(i, path_data({{sample, y}, {sample + 26, y}}), 2.25);
      ink(l_.right + leader, y + 4, chart_.series[i].name);
    }
  }

  void stroke(std::size_t i, const std::string& data, double width) {
    const std::string dashes = *styles[i].dashes ? fmt::format(R"( stroke-dasharray="{}")", styles[i].dashes) : "";
    put(R"(<path class="s{}" d="{}" fill="none" stroke="{}" stroke-width="{}" stroke-linejoin="round"{}>)"
        R"(<title>{}</title></path>)",
        i, data, styles[i].light, width, dashes, xml_text(chart_.series[i].name));
  }

  const LineChart& chart_;
  Layout l_;
};

}  // namespace

std::string to_svg(const LineChart& chart) {
  if (chart.series.empty()) throw Error("a chart needs at least one line");
  if (chart.series.size() > most_series)
    throw Error(str("at most ", most_series, " lines can be told apart in a chart, these are ", chart.series.size()));
  for (const Series& series : chart.series) {
    if (std::ranges::none_of(series.points, [&](const Point& p) { return drawable(chart, p); }))
      throw Error(str("there is nothing to draw for ", series.name, chart.log_y ? " on a logarithmic axis" : ""));
  }
  return Picture(chart).draw();
}

}  // namespace tape::inline TAPE_ABI::tool
