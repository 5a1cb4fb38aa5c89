// Line charts: round ticks, well-formed SVG for any text, names that do not overlap, and plots of characters.
#include <tape/examples/support/axis.h>
#include <tape/examples/support/line_chart.h>
#include <tape/examples/support/text_plot.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <regex>
#include <set>

#include "catch.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using namespace tool;

namespace {

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> all;
  for (const Tick& tick : axis.ticks()) {
    if (!tick.label.empty()) all.push_back(tick.label);
  }
  return all;
}

using Labels = std::vector<std::string>;

std::vector<double> numbers_after(const std::string& text, const std::string& pattern) {
  std::vector<double> numbers;
  const std::regex expression(pattern);
  for (auto match = std::sregex_iterator(text.begin(), text.end(), expression); match != std::sregex_iterator();
       ++match)
    numbers.push_back(std::stod((*match)[1]));
  return numbers;
}

// Every tag is closed in its order, and no attribute breaks off.
bool well_formed(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const std::size_t end = xml.find('>', at);
    if (end == std::string::npos || xml.find('<', at + 1) < end) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    if (std::ranges::count(tag, '"') % 2 != 0) return false;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  return open.empty();
}

LineChart chart_of(std::vector<Series> series) {
  return {.title = "T", .subtitle = "S", .x_name = "step", .y_name = "loss", .series = std::move(series)};
}

}  // namespace

TEST_CASE("ticks are round numbers", "[tool][chart]") {
  CHECK(labels(Axis::linear(0, 1e-3, 7, true)) == Labels{"0", "2e-4", "4e-4", "6e-4", "8e-4", "1e-3"});
  CHECK(labels(Axis::linear(1.61, 4.2, 7, true)) == Labels{"1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5"});
  CHECK(labels(Axis::linear(0, 0, 3, false)) == Labels{"0", "0.5", "1.0"});  // no negative steps
  CHECK(labels(Axis::linear(0, 1999, 6, false)) == Labels{"0", "500", "1,000", "1,500", "2,000"});
  CHECK(labels(Axis::linear(0, 1900, 6, false)) == Labels{"0", "500", "1,000", "1,500"});
  CHECK(labels(Axis::linear(-0.2, 0.3, 6, true)) == Labels{"-0.2", "-0.1", "0", "0.1", "0.2", "0.3"});
  CHECK(labels(Axis::linear(0, 3e7, 4, true)) == Labels{"0", "1e7", "2e7", "3e7"});
  CHECK(labels(Axis::logarithmic(2e-6, 7e-4, 7)) == Labels{"1e-6", "1e-5", "1e-4", "1e-3"});
  CHECK(labels(Axis::logarithmic(1.7, 4.3, 7)) == Labels{"1", "2", "5"});
  CHECK(labels(Axis::logarithmic(1e-9, 1, 4)) == Labels{"1e-9", "1e-5", "1e-1"});
}

TEST_CASE("an axis holds all it is made for, with few ticks, whatever the range", "[tool][chart]") {
  std::mt19937 generator(11);
  std::uniform_real_distribution<double> exponent(-12, 12), share(0, 1);
  for (int i = 0; i < 2000; ++i) {
    const double high = std::pow(10, exponent(generator));
    const double low = high * share(generator);
    CAPTURE(low, high);
    for (const Axis& axis : {Axis::linear(low, high, 7, true), Axis::linear(low, high, 5, false),
                             Axis::linear(-high, low, 7, true), Axis::logarithmic(low, high, 7)}) {
      const Labels all = labels(axis);
      REQUIRE(all.size() >= 1);
      REQUIRE(all.size() <= 9);
      REQUIRE(std::set<std::string>(all.begin(), all.end()).size() == all.size());
      for (const Tick& tick : axis.ticks()) {
        REQUIRE(axis.part(tick.value) >= -1e-6);
        REQUIRE(axis.part(tick.value) <= 1 + 1e-6);
      }
      REQUIRE(axis.part(axis.low()) == Approx(0).margin(1e-12));
      REQUIRE(axis.part(axis.high()) == Approx(1));
    }
    REQUIRE(Axis::logarithmic(low, high, 7).low() <= low * (1 + 1e-6));
    REQUIRE(Axis::logarithmic(low, high, 7).high() >= high * (1 - 1e-6));
    REQUIRE(Axis::linear(low, high, 7, true).high() >= high * (1 - 1e-6));
  }
  CHECK(Axis::linear(3, 3, 5, true).part(3) == Approx(0.5));
  CHECK(Axis::linear(0, 0, 5, true).part(0) == 0);
  CHECK(has_parts(error_of([] { Axis::linear(0, std::nan(""), 5, true); }), {"axis", "nan"}));
  CHECK(has_parts(error_of([] { Axis::logarithmic(0, 1, 5); }), {"logarithmic", "0"}));
}

TEST_CASE("a chart is well-formed whatever its names are", "[tool][chart]") {
  const std::string names[] = {"plain",    "a < b & c > \"d\"",     "]]>", "ünï→code",
                               "<script>", std::string("bell\a\n"), ""};
  for (const std::string& name : names) {
    LineChart chart = chart_of({{name, {{0, 1}, {1, 2}}}, {name, {{0, 1}}}});
    chart.title = chart.subtitle = chart.x_name = chart.y_name = name;
    chart.bands = {{0, 0.5, name}, {0.5, 1, name}};
    for (const bool log_y : {false, true}) {
      chart.log_y = log_y;
      const std::string svg = to_svg(chart);
      CHECK(well_formed(svg));
      CHECK(svg.find("nan") == std::string::npos);
      CHECK(svg.find("inf") == std::string::npos);
      CHECK(svg.find("<script>") == std::string::npos);
    }
  }
}

TEST_CASE("names at the ends of lines never overlap and stay inside the picture", "[tool][chart]") {
  std::mt19937 generator(3);
  std::uniform_real_distribution<double> height(0, 1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Series> series;
    for (std::size_t i = 0; i < most_series; ++i) {
      const double end = round % 3 == 0 ? 0 : round % 3 == 1 ? 1 : std::round(height(generator) * 10) / 10;
      series.push_back({str("n", i), {{0, height(generator)}, {1, end}}});
    }
    const std::string svg = to_svg(chart_of(series));
    std::vector<double> heights = numbers_after(svg, R"re( y="([0-9.]+)" class="ink" fill="#1d2226" text-anchor)re");
    REQUIRE(heights.size() == most_series);
    std::ranges::sort(heights);
    for (std::size_t i = 1; i < heights.size(); ++i) REQUIRE(heights[i] - heights[i - 1] > 16.9);
    REQUIRE(heights.front() > 20);
    REQUIRE(heights.back() < 430);
  }
}

TEST_CASE("points that can not be drawn are gaps", "[tool][chart]") {
  const double nan = std::nan("");
  const auto strokes = [](const std::string& svg) {
    const std::size_t at = svg.find("stroke-width=\"2.25\"");
    const std::size_t start = svg.rfind(" d=\"", at);
    const std::string data = svg.substr(start + 4, svg.find('"', start + 4) - start - 4);
    return std::ranges::count(data, 'M');
  };
  CHECK(strokes(to_svg(chart_of({{"a", {{0, 1}, {1, 2}, {2, nan}, {3, 1}, {4, 3}}}}))) == 2);
  LineChart chart = chart_of({{"a", {{0, 0}, {1, 2}, {2, 1}, {3, 0}}}});
  CHECK(strokes(to_svg(chart)) == 1);
  chart.log_y = true;
  CHECK(strokes(to_svg(chart)) == 1);
}

TEST_CASE("charts that can not be drawn are refused", "[tool][chart]") {
  CHECK(has_parts(error_of([] { to_svg(chart_of({})); }), {"at least one line"}));
  CHECK(has_parts(error_of([] { to_svg(chart_of({{"empty", {}}})); }), {"nothing to draw for empty"}));
  LineChart zeros = chart_of({{"zeros", {{0, 0}, {1, 0}}}});
  zeros.log_y = true;
  CHECK(has_parts(error_of([&] { to_svg(zeros); }), {"nothing to draw for zeros", "logarithmic"}));
  const std::vector<Series> many(most_series + 1, {"a", {{0, 1}}});
  CHECK(has_parts(error_of([&] { to_svg(chart_of(many)); }), {"at most 8", "9"}));
}

TEST_CASE("a simplified line keeps its ends and lies within the tolerance", "[tool][chart]") {
  std::vector<Point> wave;
  for (int i = 0; i <= 2000; ++i) wave.push_back({i * 0.3, 100 * std::sin(i * 0.01)});
  const std::vector<Point> fewer = simplified(wave, 0.1);
  CHECK(fewer.size() < 200);
  CHECK(fewer.front().x == 0);
  CHECK(fewer.back().x == wave.back().x);
  std::size_t next = 1;
  for (const Point& p : wave) {
    while (fewer[next].x < p.x) ++next;
    const Point& a = fewer[next - 1];
    const Point& b = fewer[next];
    REQUIRE(std::abs(a.y + (b.y - a.y) * (p.x - a.x) / (b.x - a.x) - p.y) < 0.35);  // slopes are up to 3.3
  }
  CHECK(simplified({{0, 0}, {1, 1}, {2, 2}}, 0.1).size() == 2);
  CHECK(simplified({{0, 0}, {1, 1}, {2, 0}}, 0.1).size() == 3);
  CHECK(simplified({}, 0.1).empty());
}

TEST_CASE("columns of characters are as high as their values", "[tool][chart]") {
  CHECK(columns({0, 0.125, 0.5, 1}, 1, 1) == Labels{" ▁▄█"});
  CHECK(columns({1, 0.5, 1e-9, 2}, 1, 2) == Labels{"█  █", "██▁█"});
  CHECK(columns({std::nan(""), -1, 1, 0}, 1, 1) == Labels{"  █"});
  CHECK(columns({1, 1}, 0, 1) == Labels{""});
}

TEST_CASE("a chart has bands of the spread, dots where it was measured and crosses where it failed", "[tool][chart]") {
  LineChart chart = chart_of({{.name = "a",
                               .points = {{1, 2}, {10, 3}, {100, 4}},
                               .spread = {{1, 3}, {2, 4}, {-1, 5}},
                               .crosses = {{100, 4}, {10, std::nan("")}}}});
  chart.cross_name = "failed";
  chart.log_x = chart.log_y = chart.dots = true;
  const std::string svg = to_svg(chart);
  CHECK(well_formed(svg));
  CHECK(svg.find("fill-opacity=\"0.16\"") != std::string::npos);
  CHECK(svg.find("× failed") != std::string::npos);
  const std::vector<double> dots = numbers_after(svg, "<circle class=\"f0\" cx=\"([0-9.]+)\"");
  REQUIRE(dots.size() == 3);
  CHECK(dots[1] - dots[0] == Approx(dots[2] - dots[1]).margin(0.05));  // equal ratios of x, equal distances
  CHECK(std::regex_search(svg, std::regex("a: failed")));
}

TEST_CASE("on a logarithmic axis a spread is no farther below the line than above it", "[tool][chart]") {
  const auto heights_of = [](double low) {
    LineChart chart = chart_of({{.name = "a", .points = {{1, 1}, {2, 1}}, .spread = {{low, 2}, {low, 2}}}});
    chart.log_y = true;
    const std::string svg = to_svg(chart);
    CHECK(svg.find("1e-9") == std::string::npos);
    // M x high L x high L x low L x low Z
    const std::regex band("class=\"f0\" d=\"M[0-9.]+ ([0-9.]+)L[0-9.]+ [0-9.]+L[0-9.]+ ([0-9.]+)L");
    const std::regex line("class=\"s0\" d=\"M[0-9.]+ ([0-9.]+)L");
    std::smatch edges, middle;
    REQUIRE((std::regex_search(svg, edges, band) && std::regex_search(svg, middle, line)));
    return std::vector<double>{std::stod(edges[1]), std::stod(middle[1]), std::stod(edges[2])};
  };
  for (const double low : {-1.0, 0.0, 1e-9, 0.5}) {
    INFO(low);
    const std::vector<double> y = heights_of(low);
    CHECK(y[2] - y[1] == Approx(y[1] - y[0]).margin(0.05));
  }
  const std::vector<double> narrow = heights_of(0.9);
  CHECK(narrow[2] - narrow[1] < 0.5 * (narrow[1] - narrow[0]));
}

}  // namespace tape::inline TAPE_ABI::test
