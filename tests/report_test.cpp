// The page about runs: whole and well-formed for runs of every kind, with the figures that there is data for.
#include <tape/examples/report/live_run.h>
#include <tape/examples/report/page.h>
#include <tape/examples/report/page_server.h>
#include <tape/examples/support/run_folder.h>
#include <tape/examples/support/step_map.h>
#include <tape/examples/support/watch_log.h>

#include <cmath>
#include <regex>

#include "catch.h"
#include "support/html.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using lab::Language;
using tool::RunFolder;

namespace {

const std::vector<std::string> layers{"blocks.0", "blocks.1"};

tool::WatchRecord record_of(int64_t step) {
  const double s = static_cast<double>(step);
  return {.step = step,
          .parts = {"embedding", "blocks.0", "blocks.1"},
          .gradient_norm = {s, 2 * s, 4.5 * s},
          .gradient_non_finite = {0, 0, 0},
          .update_ratio = {1e-3, 2e-3, 4e-3},
          .layers = layers,
          .residual_rms = {1, 1.25},
          .non_finite = {0, 0},
          .max_logit = {3, 4},
          .gains = {"blocks.0.attn_residual.norm_input"},
          .gain_rms = {1.5},
          .gain_min = {1},
          .gain_max = {2}};
}

struct Course {
  int64_t steps = 40;  // of the recipe
  int64_t done = 40;
  int64_t width = 16;
  bool watched = true;
  bool diverges = false;
};

// The files of a run as training would leave them.
std::string run_in(const TempFolder& temp, const std::string& name, const Course& course) {
  const RunFolder folder(temp / name);
  folder.create();
  tool::RunConfig config;
  config.model = {.vocab = 7, .layers = 2, .width = course.width};
  config.recipe.steps = course.steps;
  config.recipe.warmup = 5;
  config.text = {"text <&>.txt", 10, "0"};
  tool::save_config(folder.config(), config);
  tool::MetricsLog metrics(folder.metrics(), -1);
  metrics.write({.step = 0, .val_loss = 3, .seconds = 0});
  for (int64_t step = 10; step <= course.done; step += 10) {
    const double loss = course.diverges && step == course.done ? NAN : 30.0 / static_cast<double>(step);
    metrics.write({.step = step, .loss = loss, .val_loss = 2, .lr = 1e-3, .grad_norm = loss, .seconds = 2});
  }
  if (!course.watched) return folder.path();
  tool::WatchLog watch(folder.watch(), -1);
  for (int64_t step = 10; step <= course.done; step += 10) {
    tool::WatchRecord record = record_of(step);
    if (course.diverges && step == course.done) {
      record.residual_rms[1] = NAN;
      record.non_finite[1] = 0.75;
      record.update_ratio.assign(3, NAN);
      record.first_non_finite = {"activation", "blocks.1.hook_mlp_out"};
    }
    watch.write(record);
  }
  return folder.path();
}

std::string page_of(const std::vector<std::string>& folders, Language language = Language::english) {
  return report::page(report::sections_of(report::load_runs(folders), language), language);
}

bool has_figure(const std::string& page, const std::string& id) {
  return page.find("<figure id=\"" + id + "\">") != std::string::npos;
}

// The text from a figure's beginning to its end.
std::string figure(const std::string& page, const std::string& id) {
  const std::size_t begin = page.find("<figure id=\"" + id + "\">");
  REQUIRE(begin != std::string::npos);
  return page.substr(begin, page.find("</figure>", begin) - begin);
}

}  // namespace

TEST_CASE("A page about runs is well-formed, refers to nothing outside, and names each figure once", "[report]") {
  const TempFolder temp;
  const std::vector<std::string> folders{run_in(temp, "a", {}), run_in(temp, "b", {.watched = false}),
                                         run_in(temp, "c", {.diverges = true}), run_in(temp, "d", {.done = 0})};
  for (const Language language : {Language::english, Language::chinese, Language::both}) {
    std::string page = page_of(folders, language);
    CHECK(first_unclosed(page) == "");
    page = std::regex_replace(page, std::regex("xmlns=\"http://www.w3.org/2000/svg\""), "");
    for (const char* outside : {"http:", "https:", "src=", "url(", "@import", "<link", "<iframe", "href=\"/"}) {
      INFO(outside);
      CHECK(page.find(outside) == std::string::npos);
    }
    std::set<std::string> ids;
    const std::regex id(" id=\"([^\"]*)\"");
    for (auto at = std::sregex_iterator(page.begin(), page.end(), id); at != std::sregex_iterator(); ++at) {
      INFO((*at)[1]);
      CHECK(ids.insert((*at)[1]).second);
    }
    CHECK_THAT(page, Catch::Contains("text &lt;&amp;&gt;.txt"));
  }
}

TEST_CASE("A page shows what each run has, and how to get the rest", "[report]") {
  const TempFolder temp;
  const std::string page =
      page_of({run_in(temp, "watched", {}), run_in(temp, "plain", {.width = 32, .watched = false})});
  for (const char* id : {"loss", "validation-loss", "learning-rate", "gradient-norm", "updates", "run-1-resid-rms",
                         "run-1-grad-norm", "run-1-update-ratio", "run-1-update-lines", "run-1-gains",
                         "run-1-max-logit", "run-1-depth-resid-rms", "run-1-depth-grad-norm"}) {
    INFO(id);
    CHECK(has_figure(page, id));
  }
  for (const char* id : {"run-2-resid-rms", "run-1-max-cross-logit", "run-1-non-finite", "depth-resid-rms"}) {
    INFO(id);
    CHECK_FALSE(has_figure(page, id));
  }
  CHECK_THAT(page, Catch::Contains("plain was not watched: layers are recorded by tapeformer train --watch"));
  CHECK_THAT(figure(page, "loss"), Catch::Contains("watched") && Catch::Contains("plain"));
  CHECK_THAT(figure(page, "updates"), Catch::Contains("1e-3") && Catch::Contains("class=\"guide\""));
  // Numbers behind a figure, and the median of a step.
  CHECK_THAT(figure(page, "run-1-grad-norm"), Catch::Contains("<td><span>180</span></td>"));
  CHECK_THAT(figure(page, "updates"), Catch::Contains("<td><span>0.002</span></td>"));
  // Settings side by side
  CHECK_THAT(page, Catch::Contains("<tr class=\"differs\"><td>≠ model.width</td><td>16</td><td>32</td></tr>"));
  CHECK_THAT(page, Catch::Contains("<tr><td>model.layers</td><td>2</td><td>2</td></tr>"));
  CHECK_THAT(page, Catch::Contains("✓ finished"));

  const std::string one = page_of({run_in(temp, "watched", {})});
  CHECK(one.find("≠") == std::string::npos);
  const std::string two = page_of({run_in(temp, "watched", {}), run_in(temp, "other", {})});
  CHECK(has_figure(two, "depth-resid-rms"));
  CHECK(has_figure(two, "run-2-resid-rms"));
}

TEST_CASE("A run that diverged, one that goes on, and one that just began are told apart", "[report]") {
  const TempFolder temp;
  const std::string bad = page_of({run_in(temp, "bad", {.diverges = true})});
  CHECK_THAT(bad, Catch::Contains("✗ diverged at step 40"));
  CHECK_THAT(bad, Catch::Contains("not finite: the activations at blocks.1.hook_mlp_out"));
  CHECK_THAT(figure(bad, "loss"), Catch::Contains("× diverged"));
  CHECK_THAT(figure(bad, "run-1-non-finite"), Catch::Contains("0.75"));
  CHECK_THAT(page_of({run_in(temp, "cut", {.done = 20})}),
             Catch::Contains("… not finished") && Catch::Contains("20 / 40"));
  const std::string young = page_of({run_in(temp, "young", {.done = 0})});
  CHECK_FALSE(has_figure(young, "loss"));
  CHECK(has_figure(young, "validation-loss"));
  write_file(temp / "young/metrics.jsonl", "");
  CHECK_THAT(page_of({temp / "young"}), Catch::Contains("Nothing has been logged yet"));
}

TEST_CASE("Folders that are no runs are refused by name", "[report][errors]") {
  const TempFolder temp;
  const auto message = [](const std::vector<std::string>& folders) {
    return error_of([&] { report::load_runs(folders); });
  };
  CHECK(has_parts(message({temp / "none"}), {"there is no folder", "none"}));
  write_file(temp / "file", "x");
  CHECK(has_parts(message({temp / "file"}), {"file is not a folder"}));
  CHECK(has_parts(message({temp.path()}), {"holds no run", "config.json is missing"}));
  const std::string good = run_in(temp, "good", {});
  CHECK(has_parts(message({good, good + "/../good/"}), {"given twice"}));
  CHECK(has_parts(message(std::vector<std::string>(9, good)), {"at most 8 runs", "9"}));
  write_file(temp / "good/metrics.jsonl", "{\"step\":0}\nnonsense\n");
  CHECK(has_parts(message({good}), {"metrics.jsonl, line 2 is damaged"}));
  std::filesystem::remove(temp / "good/metrics.jsonl");
  CHECK(has_parts(message({good}), {"holds no run", "metrics.jsonl is missing"}));
}

TEST_CASE("Runs whose folders have the same name are told apart", "[report]") {
  const TempFolder temp;
  std::filesystem::create_directories(temp / "x");
  std::filesystem::create_directories(temp / "y");
  const auto runs = report::load_runs({run_in(temp, "x/run", {}), run_in(temp, "y/run", {}), run_in(temp, "z", {})});
  CHECK(runs[0].name != runs[1].name);
  CHECK(runs[2].name == "z");
}

TEST_CASE("A live page follows the files of its run", "[report]") {
  const TempFolder temp;
  report::LiveRun live(temp / "run", Language::english);
  CHECK(has_parts(error_of([&] { live.page(); }), {"there is no folder"}));
  run_in(temp, "run", {.done = 20});
  const std::string page = live.page();
  CHECK(first_unclosed(page) == "");
  CHECK_THAT(page, Catch::Contains("fetch('sections')") && Catch::Contains("<noscript><meta http-equiv=\"refresh\""));
  CHECK_THAT(live.sections(), Catch::Contains("20 / 40"));
  run_in(temp, "run", {.done = 30});
  CHECK_THAT(live.sections(), Catch::Contains("30 / 40"));
}

TEST_CASE("A map over steps colours what has a colour and thins long runs", "[report]") {
  tool::StepMap map{.value_name = "v", .empty_name = "nothing", .rows = {"a", "b"}, .log = true};
  for (int i = 0; i < 1000; ++i) map.steps.push_back(i);
  map.cells.assign(2, std::vector<double>(1000, 1));
  const std::string plain = to_svg(map);
  CHECK(plain.find("nothing") == std::string::npos);
  map.cells[1].assign(1000, 0);  // has no colour on a logarithmic scale
  CHECK_THAT(to_svg(map), Catch::Contains("nothing"));
  for (std::size_t i = 0; i < 1000; ++i) map.cells[0][i] = static_cast<double>(i + 1);
  const std::string many = to_svg(map);
  CHECK(std::count(many.begin(), many.end(), 'z') <= 160 + 10);
  CHECK_THAT(many, Catch::Contains(">1e+03<") && Catch::Contains(">1<"));
  CHECK(tool::range_of(map.cells, true)->high == 1000);
  CHECK_FALSE(tool::range_of({{0, NAN}}, true));
  map.steps.pop_back();
  CHECK(has_parts(error_of([&] { to_svg(map); }), {"do not fit", "999 steps"}));
  CHECK(has_parts(error_of([] { to_svg(tool::StepMap{}); }), {"needs rows"}));
}

TEST_CASE("A server takes a free port and refuses one that is taken", "[report]") {
  if (!report::can_serve()) {
    CHECK(has_parts(error_of([] { report::PageServer("127.0.0.1", 0, {}); }), {"--serve needs", "libcpp-httplib-dev"}));
    return;
  }
  const report::PageServer::Content content{[] { return std::string("page"); }, [] { return std::string("part"); }};
  const report::PageServer server("127.0.0.1", 0, content);
  const std::string& url = server.url();
  REQUIRE_THAT(url, Catch::StartsWith("http://127.0.0.1:"));
  const int port = std::stoi(url.substr(17));
  CHECK(port >= 1024);
  CHECK(has_parts(error_of([&] { report::PageServer("127.0.0.1", port, content); }),
                  {std::to_string(port), "another program", "0 for a free one"}));
  CHECK(has_parts(error_of([&] { report::PageServer("192.0.2.1", 0, content); }), {"an address of this machine"}));
}

}  // namespace tape::inline TAPE_ABI::test
