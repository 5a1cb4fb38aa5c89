#include "section.h"

#include <fmt/format.h>

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

}  // namespace tape::inline TAPE_ABI::report
