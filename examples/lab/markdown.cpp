#include <tape/examples/lab/markdown.h>

#include <fmt/format.h>

#include <filesystem>

#include <tape/core/atomic_file.h>
#include <tape/core/error.h>
#include <tape/examples/lab/assessment.h>
#include <tape/examples/lab/run_record.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

class Document {
 public:
  Document(const std::string& folder, Language language) : folder_(folder), language_(language) {}

  std::string build() {
    const std::vector<Assessment> all = assess(folder_);
    heading(2, {"Verdicts", "判定"});
    std::vector<std::vector<Text>> rows;
    for (const Assessment& a : all) {
      for (std::size_t i = 0; i < a.findings.size() && !a.results.empty(); ++i)
        rows.push_back({a.experiment->claims[i].article, title_of(a.findings[i].verdict), link(*a.experiment)});
    }
    table({{{"The article says", "文章的说法"}, {"Verdict", "判定"}, {"Measured in", "实验"}}, rows});
    for (const Assessment& a : all) {
      if (!a.results.empty()) section(a);
    }
    heading(2, {"Runs", "运行"});
    table(runs_table(folder_));
    return std::move(text_);
  }

 private:
  std::string words(const Text& text) const {
    std::string escaped;
    for (const char c : line(text, language_)) {
      if (c == '<') {
        escaped += "&lt;";
      } else {
        if (c == '|' || c == '*') escaped += '\\';
        escaped += c;
      }
    }
    return escaped;
  }

  void heading(int level, const Text& text) {
    text_ += std::string(static_cast<std::size_t>(level), '#') + ' ' + words(text) + "\n\n";
  }
  void paragraph(const Text& text) { text_ += words(text) + "\n\n"; }

  static std::string link(const Experiment& e) { return fmt::format("[{}](#{})", e.name, e.name); }

  void row(const std::vector<Text>& cells) {
    for (const Text& cell : cells) text_ += "| " + words(cell) + ' ';
    text_ += "|\n";
  }
  void table(const Table& table) {
    row(table.head);
    for (std::size_t i = 0; i < table.head.size(); ++i) text_ += "|---";
    text_ += "|\n";
    for (const std::vector<Text>& cells : table.rows) row(cells);
    text_ += '\n';
  }

  // The headings are the experiments' names, so that links find them in both languages.
  void section(const Assessment& a) {
    const Experiment& e = *a.experiment;
    heading(2, e.name);
    text_ += fmt::format("**{}.** {}\n\n", words(e.title), words(e.question));
    paragraph(e.setup);
    text_ += fmt::format("{}; {}\n\n", words(e.source), words(size_of(a.results)));
    pictures(e, a.results);
    for (std::size_t i = 0; i < a.findings.size(); ++i) claim(e.claims[i], a.findings[i]);
  }

  void pictures(const Experiment& e, const Results& results) {
    int number = 0;
    for (const Figure& figure : e.figures(results)) {
      const std::string svg = to_svg(figure, language_);
      text_ += fmt::format("**{}**\n\n", words(figure.title));
      if (svg.empty()) {
        table(table_of(figure));
      } else {
        const std::string file = fmt::format("figures/{}-{}.svg", e.name, ++number);
        atomic_write_file(folder_ + '/' + file, svg);
        text_ += fmt::format("![{}]({})\n\n", words(figure.title), file);
      }
      paragraph(figure.caption);
    }
  }

  void claim(const Claim& claim, const Finding& finding) {
    text_ += fmt::format("> {}\n\n**{}**: {} ({})\n\n", words(claim.article), words(title_of(finding.verdict)),
                         words(claim.paper), words(claim.source));
    Table measured{{Text{"criterion", "判定标准"}, Text{"measured", "实测"}, Text{"holds", "满足"}}, {}};
    for (const Outcome& o : finding.outcomes) measured.rows.push_back({o.criterion, to_string(o.measured), sign_of(o)});
    table(measured);
    if (!claim.remark.en.empty()) paragraph(claim.remark);
  }

  std::string folder_;
  Language language_;
  std::string text_;
};

}  // namespace

void write_markdown(const std::string& folder, Language language) {
  std::error_code code;
  std::filesystem::create_directories(folder + "/figures", code);
  if (code) throw Error(str("can not make the folder ", folder, "/figures: ", code.message()));
  atomic_write_file(folder + "/report.md", Document(folder, language).build());
}

}  // namespace tape::inline TAPE_ABI::lab
