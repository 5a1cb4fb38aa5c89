#include <tape/examples/support/text_plot.h>

#include <langinfo.h>
#include <locale.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr int eighths = 8;

// How many eighths of a row a value fills.
int height_of(double value, double highest, int rows) {
  if (!std::isfinite(value) || !(value > 0) || !(highest > 0)) return 0;
  return std::max(1, static_cast<int>(std::lround(std::min(1.0, value / highest) * rows * eighths)));
}

}  // namespace

std::vector<std::string> columns(const std::vector<double>& values, double highest, int rows) {
  static constexpr const char* blocks[eighths + 1] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::vector<std::string> lines;
  for (int row = rows - 1; row >= 0; --row) {
    std::string line;
    for (const double value : values) {
      line += blocks[std::clamp(height_of(value, highest, rows) - row * eighths, 0, eighths)];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(line);
  }
  return lines;
}

bool shows_utf8() {
  const locale_t locale = ::newlocale(LC_CTYPE_MASK, "", nullptr);
  if (!locale) return false;
  const bool utf8 = std::string_view(::nl_langinfo_l(CODESET, locale)) == "UTF-8";
  ::freelocale(locale);
  return utf8;
}

}  // namespace tape::inline TAPE_ABI::tool
