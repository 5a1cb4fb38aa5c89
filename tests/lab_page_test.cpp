// The lab's page: whole without a network and without JavaScript, well-formed, in the languages asked for.
#include <tape/examples/lab/html.h>
#include <tape/examples/lab/markdown.h>
#include <tape/examples/lab/report.h>
#include <tape/examples/lab/run_record.h>
#include <tape/examples/lab/runner.h>
#include <tape/examples/lab/store.h>
#include <tape/examples/support/heatmap.h>

#include <regex>

#include "catch.h"
#include "support/html.h"
#include "support/temp_folder.h"

namespace tape::inline TAPE_ABI::test {

using namespace lab;

namespace {

// One cheap experiment's data.
void measure_outliers(const TempFolder& folder) {
  run({.experiments = {&experiment("norm-outliers")}, .size = Size::quick, .seeds = 3, .folder = folder.path()},
      tool::FolderLock(folder.path()));
  remember(folder.path(), {"quick", 72, 72, 1, 1.5, "a test's machine <&>"});
}

}  // namespace

TEST_CASE("the page is well-formed and refers to nothing outside itself", "[lab]") {
  const TempFolder folder;
  measure_outliers(folder);
  for (const Language language : {Language::english, Language::chinese, Language::both}) {
    std::string page = report(folder.path(), language);
    CHECK(first_unclosed(page).empty());
    page = std::regex_replace(page, std::regex("xmlns=\"http://www.w3.org/2000/svg\""), "");
    for (const char* outside : {"http:", "https:", "src=", "url(", "@import", "<link", "<iframe", "href=\"/"}) {
      INFO(outside);
      CHECK(page.find(outside) == std::string::npos);
    }
    CHECK_THAT(page, Catch::Contains("prefers-color-scheme: dark") && Catch::Contains("@media print"));
    CHECK_THAT(page, Catch::Contains("a test's machine &lt;&amp;&gt;"));
  }
}

TEST_CASE("the page speaks the languages asked for", "[lab]") {
  const TempFolder folder;
  measure_outliers(folder);
  const std::string english = report(folder.path(), Language::english);
  const std::string chinese = report(folder.path(), Language::chinese);
  const std::string both = report(folder.path(), Language::both);
  const char* in_english = "What does one outlier";
  CHECK(english.find("lang=\"zh\"") == std::string::npos);
  CHECK(chinese.find("lang=\"en\"") == std::string::npos);
  CHECK_THAT(english, Catch::Contains("Norms and outliers") && !Catch::Contains("归一化与离群值"));
  CHECK_THAT(chinese, Catch::Contains("归一化与离群值") && !Catch::Contains("Norms and outliers"));
  CHECK_THAT(both, Catch::Contains("归一化与离群值") && Catch::Contains("Norms and outliers"));
  CHECK(both.find(in_english) == std::string::npos);  // the file's comment is not the page's text
  CHECK_THROWS_WITH(lab::language("de"), Catch::Contains("choose one of en, zh, both"));
}

TEST_CASE("the same data give the same page", "[lab]") {
  const TempFolder folder;
  measure_outliers(folder);
  CHECK(report(folder.path(), Language::both) == report(folder.path(), Language::both));
}

TEST_CASE("verdicts and figures are there in Markdown, too", "[lab]") {
  const TempFolder folder;
  measure_outliers(folder);
  write_markdown(folder.path(), Language::english);
  const std::string text = read_file(folder.path() + "/report.md");
  CHECK_THAT(text, Catch::Contains("## norm-outliers\n") && Catch::Contains("**not reproduced**: ") &&
                       !Catch::Contains("归一化"));
  CHECK(text.find("## warmup-map") == std::string::npos);  // has no data
  CHECK_THAT(text, Catch::Contains("a test's machine &lt;&>"));
  const std::regex picture(R"(!\[[^\]]+\]\((figures/[a-z0-9-]+\.svg)\))");
  int64_t pictures = 0;
  for (std::sregex_iterator found(text.begin(), text.end(), picture); found != std::sregex_iterator(); ++found) {
    ++pictures;
    CHECK(first_unclosed(read_file(folder.path() + "/" + (*found)[1].str())).empty());
  }
  CHECK(pictures > 0);
  // Rows of a table have as many cells as its head, whatever stands in them.
  std::size_t cells = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('|')) {
      cells = 0;
      continue;
    }
    line = std::regex_replace(line, std::regex(R"(\\\|)"), "");
    const auto count = static_cast<std::size_t>(std::ranges::count(line, '|'));
    if (cells > 0) CHECK(count == cells);
    cells = count;
  }
}

TEST_CASE("an experiment without data is named as such", "[lab]") {
  const TempFolder folder;
  const std::string page = report(folder.path(), Language::english);
  CHECK(first_unclosed(page).empty());
  CHECK_THAT(page, Catch::Contains("Not run yet.") && Catch::Contains("no data yet"));
}

TEST_CASE("figures and texts can not break the page", "[lab]") {
  const Figure figure{{"<b> & \"c\"", "<甲>"},
                      {"<script>", "<乙>"},
                      Curves{.x_name = "<x>", .y_name = "&y", .curves = {{"</svg>", {{1, estimate({2, 3}), true}}}}}};
  const std::string html = html_of(figure, Language::both);
  CHECK(first_unclosed(html).empty());
  CHECK(html.find("<script>") == std::string::npos);
}

TEST_CASE("a heat map has every number as a text, marks what failed and names its scale", "[lab]") {
  tool::Heatmap map{.x_name = "lr",
                    .y_name = "warm-up",
                    .columns = {"1e-3", "1e-2"},
                    .rows = {"0"},
                    .cells = {{{1.5, "1.50", false}, {2.5, "2.50", true}}},
                    .value_name = "loss",
                    .cross_name = "failed"};
  const std::string svg = tool::to_svg(map);
  CHECK(first_unclosed(svg).empty());
  for (const char* part : {">1.50<", ">× 2.50<", ">loss<", "× failed", ">lr<", ">warm-up<", "#ffea78", "#002a62"}) {
    INFO(part);
    CHECK_THAT(svg, Catch::Contains(part));
  }
  map.cells[0].pop_back();
  CHECK_THROWS_WITH(tool::to_svg(map), Catch::Contains("do not fit its 1 rows and 2 columns"));
  CHECK_THROWS_WITH(tool::to_svg(tool::Heatmap{}), Catch::Contains("needs rows and columns"));
}

}  // namespace tape::inline TAPE_ABI::test
