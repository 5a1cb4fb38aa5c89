// The lab's runner and its data: what was measured is kept, a run goes on where it was cut off, and the same data come
// out.
#include <tape/examples/lab/report.h>
#include <tape/examples/lab/runner.h>
#include <tape/examples/lab/store.h>

#include <set>

#include "catch.h"
#include "support/lab.h"
#include "support/temp_folder.h"

namespace tape::inline TAPE_ABI::test {

using namespace lab;

namespace {

std::string data_of(const TempFolder& folder) {
  return read_file(folder / "made-up.jsonl");
}

RunOptions options_of(const Experiment& e, const TempFolder& folder, Size size = Size::quick, int jobs = 1) {
  return {.experiments = {&e}, .size = size, .jobs = jobs, .folder = folder.path()};
}

RunResult run_in(const RunOptions& options) {
  return run(options, tool::FolderLock(options.folder));
}

std::string whole_run(Size size) {
  const TempFolder folder;
  const Experiment e = made_up_experiment();
  run_in(options_of(e, folder, size));
  return data_of(folder);
}

}  // namespace

TEST_CASE("a run measures every cell with every seed", "[lab]") {
  const TempFolder folder;
  const Experiment e = made_up_experiment();
  CHECK(plan_of(options_of(e, folder)).cells == 12);
  CHECK(run_in(options_of(e, folder)).measured == 12);
  const std::vector<Row> rows = read_rows(folder.path(), e);
  REQUIRE(rows.size() == 12);
  CHECK(rows[0].cell == Cell{{"scheme", "post"}, {"layers", 2}, {"width", 0.1}, {"seed", 1}});
  CHECK(rows[0].result.number("value") == 102.1);
  CHECK(run_in(options_of(e, folder)).measured == 0);
  CHECK(plan_of(options_of(e, folder)).done == 12);
}

TEST_CASE("a run that was cut off anywhere goes on and ends with the same bytes", "[lab]") {
  const std::string whole = whole_run(Size::quick);
  for (int cut = 0; cut <= 12; cut += 3) {
    const TempFolder folder;
    std::atomic<int> measured = 0;
    const Experiment broken = made_up_experiment(&measured, cut);
    if (cut < 12) CHECK_THROWS_WITH(run_in(options_of(broken, folder)), "power cut");
    CHECK(measured == (cut < 12 ? cut : 0));
    const Experiment e = made_up_experiment();
    CHECK(run_in(options_of(e, folder)).measured == 12 - measured);
    CHECK(data_of(folder) == whole);
  }
}

TEST_CASE("a last line that was cut off is measured again", "[lab]") {
  const std::string whole = whole_run(Size::quick);
  const std::size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  const Experiment e = made_up_experiment();
  for (std::size_t bytes = last; bytes < whole.size(); bytes += 17) {
    const TempFolder folder;
    write_file(folder / "made-up.jsonl", whole.substr(0, bytes));
    CHECK(run_in(options_of(e, folder)).measured == 1);
    CHECK(data_of(folder) == whole);
  }
}

TEST_CASE("a full run goes on from a quick one, and threads change nothing", "[lab]") {
  const std::string whole = whole_run(Size::full);
  const TempFolder folder;
  const Experiment e = made_up_experiment();
  run_in(options_of(e, folder));
  CHECK(run_in(options_of(e, folder, Size::full, 3)).measured == 6);
  CHECK(data_of(folder) == whole);
}

TEST_CASE("the number of seeds can be chosen", "[lab]") {
  const TempFolder folder;
  const Experiment e = made_up_experiment();
  RunOptions options = options_of(e, folder);
  options.seeds = 1;
  CHECK(run_in(options).measured == 4);
  options.seeds = 5;
  CHECK(run_in(options).measured == 16);
}

TEST_CASE("data that are not this experiment's are refused by file and line, and stay as they are", "[lab]") {
  const Experiment e = made_up_experiment();
  const std::string whole = whole_run(Size::quick);
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string data = whole;
    data.replace(data.find(from), from.size(), to);
    return data;
  };
  const std::vector<std::pair<std::string, std::string>> damages{
      {changed("{\"experiment\"", "{\"experiment"), "line 1, is no line of the lab"},
      {changed("\"version\":1", "\"version\":2"), "line 1, is not of version 1"},
      {changed("\"made-up\"", "\"other\""), "line 1, is of another experiment"},
      {changed("\"width\":0.1", "\"width\":0.2"), "line 1, has a configuration that this experiment does not measure"},
      {changed(",\"seed\":2", ""), "line 2, has a configuration that this experiment does not measure"},
      {whole + "\n", "line 13, is no line of the lab"},
      {changed("\"result\":{\"value\":102.1", "\"result\":{\"value\":true"), "line 1, \"value\" must be a number"}};
  for (const auto& damage : damages) {
    INFO(damage.second);
    const TempFolder folder;
    write_file(folder / "made-up.jsonl", damage.first);
    CHECK_THROWS_WITH(run_in(options_of(e, folder)),
                      Catch::Contains(damage.second) && Catch::Contains("made-up.jsonl"));
    CHECK(data_of(folder) == damage.first);
  }
}

TEST_CASE("two runs never write into one folder", "[lab]") {
  const TempFolder folder;
  const tool::FolderLock lock(folder.path());
  const Experiment e = made_up_experiment();
  CHECK_THROWS_WITH(run_in(options_of(e, folder)), Catch::Contains("another process writes into"));
}

TEST_CASE("a folder that can not be made is named", "[lab]") {
  const TempFolder folder;
  write_file(folder / "file", "");
  CHECK_THROWS_WITH(tool::FolderLock(folder / "file/lab"), Catch::Contains("file/lab"));
}

}  // namespace tape::inline TAPE_ABI::test
