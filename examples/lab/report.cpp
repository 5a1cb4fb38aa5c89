#include <tape/examples/lab/report.h>

#include <fmt/format.h>

#include <tape/examples/lab/assessment.h>
#include <tape/examples/lab/html.h>
#include <tape/examples/lab/measures.h>
#include <tape/examples/lab/run_record.h>
#include <tape/examples/lab/source.h>
#include <tape/examples/support/svg.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

using tool::xml_text;

// How a verdict is shown: its style, and a sign beside the word, where neither colour nor language is understood.
struct Mark {
  const char* style = "";
  const char* sign = "";
};

Mark mark_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::reproduced:
      return {"reproduced", "✓"};
    case Verdict::not_reproduced:
      return {"not_reproduced", "○"};
    case Verdict::wrong_as_stated:
      return {"wrong_as_stated", "✗"};
    case Verdict::no_data:
      return {"no_data", "…"};
  }
  return {};
}

class Page {
 public:
  Page(const std::string& folder, Language language)
      : folder_(folder), language_(language), assessments_(assess(folder)) {}

  std::string build() {
    const Text title{"Where the norm sits, and what follows: measured", "归一化放在哪里，会怎样：实测报告"};
    html_ += words("h1", title) + "\n";
    intro();
    contents();
    headline();
    summary();
    for (const Assessment& a : assessments_) section(a);
    statements();
    schemes();
    runs();
    return html_page(title, html_, language_);
  }

 private:
  std::string words(const char* tag, const Text& text, std::string_view attributes = "") const {
    return element(tag, text, language_, attributes);
  }

  void intro() {
    html_ +=
        words(
            "p",
            {"An article about the normalisation of Transformers makes many claims. Here each one that a "
             "small machine can test is put beside what the papers say and what this program measured: "
             "small decoder-only models, in float32 on a CPU, with several seeds each. The criteria stand "
             "in the source of each experiment. Set-ups were chosen after pilot runs, and some claims were "
             "grouped anew after a first run, so this is not a pre-registered study; what disagrees is shown "
             "as it is.",
             "一篇关于 Transformer 归一化的文章提出了许多说法。这里把小型机器能够检验的说法逐条与论文原文和本程序的"
             "实测结果对照：模型是小型的仅解码器模型，用 float32 在 CPU "
             "上训练，每种设置都用多个随机种子。判定标准写在各实验"
             "的源码里。实验设置是在试运行之后选定的，部分说法在首次运行后重新归组，因此这不是预注册研究；与预期不符的"
             "结果照实公布。"}) +
        words("p",
              {fmt::format("The language that all trainings learn has 16 letters and a known entropy: the lowest "
                           "possible loss is {:.3f} nats, counting single letters gives {:.3f}. A run has failed "
                           "when its loss is not finite or stays above {:.3f}. Bands and ± are one standard "
                           "deviation over seeds.",
                           language().entropy(), language().unigram_entropy(), stuck_loss()),
               fmt::format(
                   "所有训练学习的是同一种语言，它有 16 个字母，熵已知：损失的下限是 {:.3f} nat，只统计单个字母的频率"
                   "得到 {:.3f}。损失不是有限数，或始终高于 {:.3f}，就算训练失败。图中的色带和 ± "
                   "都是各种子之间的一个标准差。",
                   language().entropy(), language().unigram_entropy(), stuck_loss())},
              "class=\"soft\"");
  }

  void contents() {
    html_ += "<nav>";
    for (const Experiment& e : experiments())
      html_ += fmt::format("<a href=\"#{}\">{}</a>", e.name, inline_words(e.title, language_));
    html_ += "</nav>\n";
  }

  void headline() {
    if (assessments_.empty() || assessments_.front().results.empty()) return;
    const std::vector<Figure> figures = experiments().front().figures(assessments_.front().results);
    if (!figures.empty()) html_ += html_of(figures.front(), language_);
  }

  void summary() {
    html_ += words("h2", {"Verdicts", "判定"}) + "\n<div class=\"scroll\"><table><thead><tr>";
    for (const Text& head :
         {Text{"The article says", "文章的说法"}, Text{"Verdict", "判定"}, Text{"Measured in", "实验"}})
      html_ += "<th>" + spans(head) + "</th>";
    html_ += "</tr></thead><tbody>\n";
    for (const Assessment& a : assessments_) {
      const Experiment& e = *a.experiment;
      for (std::size_t i = 0; i < a.findings.size(); ++i) {
        html_ += fmt::format("<tr><td>{}</td><td>{}</td><td><a href=\"#{}\">{}</a></td></tr>\n",
                             spans(e.claims[i].article), verdict_of(a.findings[i].verdict), e.name, e.name);
      }
    }
    html_ += "</tbody></table></div>\n";
  }

  // Both languages in one cell, one under the other.
  std::string spans(const Text& text) const {
    std::string html = words("span", text);
    if (const std::size_t border = html.find("</span><span"); border != std::string::npos)
      html.insert(border + 7, "<br>");
    return html;
  }

  std::string verdict_of(Verdict verdict) const {
    const Mark mark = mark_of(verdict);
    return fmt::format("<span class=\"verdict {}\">{} {}</span>", mark.style, mark.sign,
                       inline_words(title_of(verdict), language_));
  }

  void section(const Assessment& a) {
    const Experiment& e = *a.experiment;
    const Results& results = a.results;
    html_ += fmt::format("<section id=\"{}\">\n", e.name) + words("h2", e.title) + words("p", e.question) +
             words("p", e.setup, "class=\"soft\"");
    html_ += fmt::format("<p class=\"soft\">{}; {}: {}.jsonl, {}</p>\n", xml_text(e.source),
                         inline_words({"data", "数据"}, language_), e.name, inline_words(size_of(results), language_));
    if (results.empty()) {
      html_ += words("p", {"Not run yet.", "尚未运行。"});
    } else {
      for (const Figure& figure : e.figures(results)) html_ += html_of(figure, language_);
    }
    for (std::size_t i = 0; i < a.findings.size(); ++i) claim(e.claims[i], a.findings[i]);
    html_ += "</section>\n";
  }

  void claim(const Claim& claim, const Finding& finding) {
    html_ +=
        fmt::format("<div class=\"claim {}\">{}<dl>\n", mark_of(finding.verdict).style, verdict_of(finding.verdict));
    const auto entry = [&](const Text& head, const Text& body) {
      html_ += words("dt", head) + words("dd", body) + "\n";
    };
    entry({"The article says", "文章的说法"}, claim.article);
    entry({"The paper says", "论文的说法"}, claim.paper);
    html_ += fmt::format("<dd class=\"soft\">{}</dd>\n", xml_text(claim.source));
    html_ += words("dt", {"Measured here, by the criteria in the source", "本实验实测（判定标准见源码）"});
    html_ += "<dd><table>";
    for (const Outcome& o : finding.outcomes) {
      html_ += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n", spans(o.criterion),
                           xml_text(to_string(o.measured)), sign_of(o));
    }
    html_ += "</table></dd>";
    html_ += words(
        "dd",
        {fmt::format("If all hold: {}; otherwise: {}.", title_of(claim.if_all_hold).en, title_of(claim.otherwise).en),
         fmt::format("全部满足则判为“{}”，否则判为“{}”。", title_of(claim.if_all_hold).zh,
                     title_of(claim.otherwise).zh)},
        "class=\"soft\"");
    if (!claim.remark.en.empty()) html_ += words("dd", claim.remark);
    html_ += "</dl></div>\n";
  }

  void statements() {
    html_ += words("h2", {"What no experiment here can judge", "这里的实验无法判定的说法"}) +
             "<div class=\"scroll\"><table><thead><tr><th>" + spans({"The article says", "文章的说法"}) + "</th><th>" +
             spans({"The sources say", "文献的说法"}) + "</th></tr></thead><tbody>\n";
    for (const Statement& s : unmeasured_statements())
      html_ += "<tr><td>" + spans(s.article) + "</td><td>" + spans(s.sources) + "</td></tr>\n";
    html_ += "</tbody></table></div>\n";
  }

  std::string excerpt(const Excerpt& e) const {
    return fmt::format("<pre><span class=\"soft\">{}:{}</span>\n{}</pre>", e.file, e.line, xml_lines(e.text));
  }

  // xml_text makes spaces of line ends.
  static std::string xml_lines(const std::string& text) {
    std::string result;
    for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
      result += xml_text(text.substr(begin, end - begin)) + "\n";
    return result;
  }

  void schemes() {
    html_ += words("h2", {"The schemes and their lines of source", "各方案的公式与源码"}) +
             words("p", {"Every scheme fills the same few slots; one function carries them out.",
                         "每种方案只是填写同样的几个槽位，由同一个函数执行："}) +
             excerpt(source_of_sum()) + "<table class=\"schemes\"><tbody>\n";
    for (const nn::SchemeInfo& row : nn::scheme_table()) {
      html_ += fmt::format("<tr><td><b>{}</b><br>{}<br><span class=\"soft\">{}<br>{}</span></td><td>{}</td></tr>\n",
                           xml_text(row.title), xml_text(row.formula), xml_text(row.constants), xml_text(row.source),
                           excerpt(source_of(row.scheme)));
    }
    html_ += "</tbody></table>\n";
  }

  void runs() {
    html_ +=
        words("h2", {"How this was made", "实验环境"}) +
        words("p", {"Every cell's exact configuration, its seed and its result are a line of the file named in its "
                    "section. The same seed gives the same numbers, except where time is measured. Runs into this "
                    "folder:",
                    "每个单元的完整配置、种子和结果都是所在小节所列文件中的一行。同一种子得到同样的数字（测量耗时的"
                    "除外）。写入本文件夹的运行："});
    html_ += html_of(runs_table(folder_), language_);
  }

  std::string folder_;
  Language language_;
  std::vector<Assessment> assessments_;
  std::string html_;
};

}  // namespace

std::string report(const std::string& folder, Language language) {
  return Page(folder, language).build();
}

}  // namespace tape::inline TAPE_ABI::lab
