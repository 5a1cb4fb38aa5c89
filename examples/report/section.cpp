#include "section.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <tape/examples/support/svg.h>

namespace tape::inline TAPE_ABI::report {

std::string html_of(const Panel& panel, Language language) {
  std::string html = fmt::format("<figure id=\"{}\">\n", tool::xml_text(panel.id)) +
                     lab::element("h3", panel.title, language) + "\n" + panel.svg;
  if (!panel.caption.en.empty())
    html += "<figcaption>" + lab::element("p", panel.caption, language) + "</figcaption>\n";
  if (!panel.numbers.rows.empty()) {
    html += "<details><summary>" + tool::xml_text(lab::line({"Numbers", "数据"}, language)) + "</summary>" +
            lab::html_of(panel.numbers, language) + "</details>\n";
  }
  return html + "</figure>\n";
}

std::string number_text(double value) {
  return std::isfinite(value) ? fmt::format("{:.4g}", value) : "–";
}

std::vector<std::size_t> some_of(std::size_t count, std::size_t most) {
  std::vector<std::size_t> chosen;
  const std::size_t n = std::min(count, most);
  for (std::size_t i = 0; i < n; ++i) chosen.push_back(n == 1 ? count - 1 : i * (count - 1) / (n - 1));
  return chosen;
}

}  // namespace tape::inline TAPE_ABI::report
