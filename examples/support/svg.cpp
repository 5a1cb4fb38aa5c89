#include <tape/examples/support/svg.h>

#include <fmt/format.h>

#include <cmath>
#include <utility>

namespace tape::inline TAPE_ABI::tool {

namespace {

// From p to the stretch between a and b.
double distance(const Point& p, const Point& a, const Point& b) {
  const double dx = b.x - a.x;
  const double dy = b.y - a.y;
  const double square = dx * dx + dy * dy;
  const double t = square > 0 ? std::fmin(1, std::fmax(0, ((p.x - a.x) * dx + (p.y - a.y) * dy) / square)) : 0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

// Of a character, as a share of the font size.
double width_of(char c) {
  constexpr std::string_view narrow = "iljtfrI.,:;'|!()[] ";
  constexpr std::string_view wide = "mwMW@%";
  if (narrow.find(c) != std::string_view::npos) return 0.34;
  return wide.find(c) != std::string_view::npos ? 0.9 : 0.6;
}

std::string svg_text(double x, double y, std::string_view style, std::string_view colour, std::string_view anchor,
                     std::string_view text) {
  return fmt::format(R"(<text x="{}" y="{}" class="{}" fill="{}" text-anchor="{}">{}</text>)", coordinate(x),
                     coordinate(y), style, colour, anchor, xml_text(text));
}

}  // namespace

std::string svg_begin(double width, double height, std::string_view title, std::string_view description,
                      std::string_view dark) {
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" )"
      R"(font-family="system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif" font-size="{2}">)"
      "\n<title>{3}</title>\n<desc>{4}</desc>\n"
      "<style>@media (prefers-color-scheme: dark) {{\n"
      ".paper {{ fill: #15191d }} .ink {{ fill: #e8eaec }} .soft {{ fill: #a6adb4 }} {5}\n"
      "}}</style>\n"
      R"(<rect class="paper" width="100%" height="100%" fill="#ffffff"/>)",
      coordinate(width), coordinate(height), svg_font, xml_text(title), xml_text(description), dark);
}

std::string svg_title(double y, std::string_view title) {
  return fmt::format(R"(<text x="{}" y="{}" class="ink" fill="#1d2226" font-size="{}" font-weight="600">{}</text>)",
                     coordinate(svg_margin), coordinate(y), svg_title_font, xml_text(title));
}

std::string svg_ink(double x, double y, std::string_view text) {
  return svg_text(x, y, "ink", "#1d2226", "start", text);
}

std::string svg_soft(double x, double y, std::string_view anchor, std::string_view text) {
  return svg_text(x, y, "soft", "#5b646d", anchor, text);
}

std::string xml_text(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
    }
  }
  return result;
}

std::string coordinate(double value) {
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

double text_width(std::string_view utf8, double size) {
  double sum = 0;
  for (const char c : utf8) {
    if ((c & 0xC0) == 0x80) continue;                                // one for each character, not for each byte
    sum += static_cast<unsigned char>(c) >= 0xE3 ? 1 : width_of(c);  // from U+3000 on: Chinese, as wide as high
  }
  return sum * size;
}

std::vector<Point> simplified(const std::vector<Point>& line, double tolerance) {
  if (line.size() < 3) return line;
  std::vector<bool> kept(line.size(), false);
  kept.front() = kept.back() = true;
  std::vector<std::pair<std::size_t, std::size_t>> open{{0, line.size() - 1}};
  while (!open.empty()) {
    const auto [first, last] = open.back();
    open.pop_back();
    std::size_t farthest = first;
    double most = tolerance;
    for (std::size_t i = first + 1; i < last; ++i) {
      const double d = distance(line[i], line[first], line[last]);
      if (d > most) {
        most = d;
        farthest = i;
      }
    }
    if (farthest == first) continue;
    kept[farthest] = true;
    open.emplace_back(first, farthest);
    open.emplace_back(farthest, last);
  }
  std::vector<Point> result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (kept[i]) result.push_back(line[i]);
  }
  return result;
}

std::string path_data(const std::vector<Point>& line) {
  std::string data;
  for (const Point& p : line) {
    data += data.empty() ? 'M' : 'L';
    data += coordinate(p.x);
    data += ' ';
    data += coordinate(p.y);
  }
  return data;
}

}  // namespace tape::inline TAPE_ABI::tool
