#include "page.h"

#include <fmt/format.h>

#include <algorithm>

#include <tape/examples/report/course.h>
#include <tape/examples/report/inside.h>
#include <tape/examples/support/numbers.h>
#include <tape/examples/support/svg.h>

namespace tape::inline TAPE_ABI::report {

namespace {

constexpr std::string_view style = R"css(
.diverged { color: var(--bad); font-weight: 700 } .finished { color: var(--good) }
.settings tr.differs td { background: var(--tint); font-weight: 600 }
.settings td:first-child, .settings td { overflow-wrap: anywhere }
#lost { color: var(--bad) }
)css";

// Fetches the sections again; open tables stay open and the place on the page is kept.
constexpr std::string_view follower = R"js(
(function () {
  var live = document.getElementById('live'), lost = document.getElementById('lost');
  function follow() {
    fetch('ADDRESS').then(function (answer) {
      if (!answer.ok) throw new Error(answer.status);
      return answer.text();
    }).then(function (html) {
      var open = {};
      live.querySelectorAll('figure').forEach(function (f) {
        var d = f.querySelector('details');
        if (d && d.open) open[f.id] = true;
      });
      live.innerHTML = html;
      live.querySelectorAll('figure').forEach(function (f) {
        if (open[f.id]) f.querySelector('details').open = true;
      });
      lost.hidden = true;
    }).catch(function () { lost.hidden = false; });
  }
  setInterval(follow, 5000);
})();
)js";

std::string link_of(const Section& section, Language language) {
  return fmt::format("<a href=\"#{}\">{}</a>", section.id, tool::xml_text(lab::line(section.title, language)));
}

std::string cell(const Text& text, Language language, const char* style_class = "") {
  return fmt::format("<td{}>{}</td>", *style_class ? fmt::format(" class=\"{}\"", style_class) : "",
                     tool::xml_text(lab::line(text, language)));
}

std::string head_of(const std::vector<Text>& names, Language language) {
  std::string html = "<thead><tr>";
  for (const Text& name : names) html += "<th>" + tool::xml_text(lab::line(name, language)) + "</th>";
  return html + "</tr></thead>";
}

std::string state_of(const RunData& run, Language language) {
  if (const auto step = run.diverged_at()) {
    return cell({fmt::format("✗ diverged at step {}", *step), fmt::format("✗ 第 {} 步发散", *step)}, language,
                "diverged");
  }
  if (run.finished()) return cell({"✓ finished", "✓ 已完成"}, language, "finished");
  return cell({"… not finished", "… 未完成"}, language);
}

Section overview(const std::vector<RunData>& runs, Language language) {
  std::string html = "<div class=\"scroll\"><table>" +
                     head_of({{"run", "运行"},
                              {"state", "状态"},
                              {"step", "步"},
                              {"model", "模型"},
                              {"training loss", "训练损失"},
                              {"best validation loss", "最低验证损失"},
                              {"time", "用时"}},
                             language) +
                     "<tbody>\n";
  for (const RunData& run : runs) {
    const tape::nn::ModelConfig& m = run.config.model;
    const auto number = [](const std::optional<double>& v) { return v ? number_text(*v) : "–"; };
    html += "<tr>" + cell(run.name, language) + state_of(run, language) +
            cell(tool::grouped(run.last_step()) + " / " + tool::grouped(run.config.recipe.steps), language) +
            cell(fmt::format("{}, {}, {}, {} × {}", tool::name_of(run.config.architecture), name_of(m.scheme),
                             name_of(m.norm.kind), m.layers, m.width),
                 language) +
            cell(number(run.last_loss()), language) + cell(number(run.best_validation()), language) +
            cell(run.metrics.empty() ? "–" : tool::clock_time(run.metrics.back().seconds), language) + "</tr>\n";
  }
  return {"runs", {"Runs", "运行"}, html + "</tbody></table></div>\n"};
}

Section settings(const std::vector<RunData>& runs, Language language) {
  std::vector<std::string> keys;
  for (const RunData& run : runs) {
    for (const auto& [key, value] : run.settings) {
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
    }
  }
  std::vector<Text> names{{"setting", "设置"}};
  for (const RunData& run : runs) names.emplace_back(run.name);
  std::string html;
  if (runs.size() > 1)
    html += lab::element("p", {"≠ marks what differs.", "≠ 标出不同之处。"}, language, "class=\"soft\"");
  html += "<div class=\"scroll\"><table class=\"settings\">" + head_of(names, language) + "<tbody>\n";
  for (const std::string& key : keys) {
    std::vector<std::string> values;
    for (const RunData& run : runs) {
      const auto found = std::ranges::find(run.settings, key, [](const auto& entry) { return entry.first; });
      values.push_back(found == run.settings.end() ? "–" : found->second);
    }
    const bool differs = std::ranges::any_of(values, [&](const std::string& v) { return v != values.front(); });
    html += (differs ? "<tr class=\"differs\">" : "<tr>") + cell((differs ? "≠ " : "") + key, language);
    for (const std::string& value : values) html += cell(value, language);
    html += "</tr>\n";
  }
  return {"settings", {"Settings", "设置"}, html + "</tbody></table></div>\n"};
}

const Text title{"Training, watched", "训练观察"};

}  // namespace

std::vector<Section> sections_of(const std::vector<RunData>& runs, Language language) {
  std::vector<Section> sections{overview(runs, language), course_section(runs, language)};
  if (Section layers = comparison_section(runs, language); !layers.html.empty()) sections.push_back(std::move(layers));
  for (Section& section : inside_sections(runs, language)) sections.push_back(std::move(section));
  sections.push_back(settings(runs, language));
  return sections;
}

std::string body_of(const std::vector<Section>& sections, Language language) {
  std::string html = "<nav>";
  for (const Section& section : sections) html += link_of(section, language);
  html += "</nav>\n";
  for (const Section& section : sections) {
    html += fmt::format("<section id=\"{}\">\n", section.id) + lab::element("h2", section.title, language) + "\n" +
            section.html + "</section>\n";
  }
  return html;
}

std::string page(const std::vector<Section>& sections, Language language) {
  const std::string body =
      lab::element("h1", title, language) + "\n<main>\n" + body_of(sections, language) + "</main>\n";
  return lab::html_page(title, body, language, fmt::format("<style>{}</style>\n", style));
}

std::string live_page(const std::vector<Section>& sections, Language language, const std::string& address) {
  const Text gone{
      "The program no longer answers: the run has ended, or was stopped. Its page is report.html in its folder.",
      "程序不再响应：运行已结束或被中止。运行文件夹中的 report.html 是最后的页面。"};
  std::string script(follower);
  script.replace(script.find("ADDRESS"), 7, address);
  const std::string body = lab::element("h1", title, language) + "\n<div id=\"lost\" hidden>" +
                           lab::element("p", gone, language) + "</div>\n<main id=\"live\">\n" +
                           body_of(sections, language) + "</main>\n<script>" + script + "</script>\n";
  return lab::html_page(
      title, body, language,
      fmt::format("<style>{}</style>\n<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>\n", style));
}

}  // namespace tape::inline TAPE_ABI::report
