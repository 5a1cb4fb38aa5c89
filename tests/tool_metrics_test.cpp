// metrics.jsonl, run folders, and numbers as people read them.
#include <tape/examples/support/metrics.h>
#include <tape/examples/support/numbers.h>
#include <tape/examples/support/run_folder.h>

#include <cmath>
#include <limits>

#include "catch.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using tool::MetricsLog;
using tool::RunFolder;

TEST_CASE("A line of metrics is JSON, also when numbers are not finite", "[tool]") {
  const TempFolder folder;
  const std::string path = folder / "metrics.jsonl";
  MetricsLog log(path, -1);
  CHECK(read_file(path).empty());
  log.write({.step = 0, .val_loss = 4.25, .seconds = 0.5});
  CHECK(read_file(path) == "{\"step\":0,\"val_loss\":4.25,\"seconds\":0.5}\n");
  log.write({.step = 10,
             .loss = std::nan(""),
             .lr = 1e-5,
             .grad_norm = std::numeric_limits<double>::infinity(),
             .tokens_per_s = 31204,
             .seconds = 2});
  CHECK(read_file(path).ends_with(
      "{\"step\":10,\"loss\":null,\"lr\":1e-05,\"grad_norm\":null,\"tokens_per_s\":31204,\"seconds\":2}\n"));
}

TEST_CASE("A continued run keeps the lines up to its step", "[tool]") {
  const TempFolder folder;
  const std::string path = folder / "metrics.jsonl";
  const std::string first = "{\"step\":0,\"seconds\":1}\n{\"step\":10,\"seconds\":2.5}\n";
  write_file(path, first + "{\"step\":20,\"seconds\":9}\n{\"step\":30");
  {
    MetricsLog log(path, 15);
    CHECK(log.seconds_before() == 2.5);
    CHECK(read_file(path) == first);
    log.write({.step = 20, .seconds = 3});
  }
  CHECK(read_file(path) == first + "{\"step\":20,\"seconds\":3}\n");

  write_file(path, first + "{\"step\":2");  // a line that a crash cut off
  CHECK(MetricsLog(path, 100).seconds_before() == 2.5);
  CHECK(read_file(path) == first);
  CHECK(MetricsLog(folder / "new.jsonl", 100).seconds_before() == 0);
  MetricsLog(path, -1);
  CHECK(read_file(path).empty());
}

TEST_CASE("Metrics that can not be written are an error", "[tool]") {
  const TempFolder folder;
  CHECK(has_parts(error_of([&] { MetricsLog(folder / "none/metrics.jsonl", -1); }), {"can not write", "none"}));
}

TEST_CASE("A run folder is made with those above it, or not at all", "[tool]") {
  const TempFolder temp;
  const RunFolder folder(temp / "a/b/c");
  CHECK_FALSE(folder.holds_run());
  folder.create();
  CHECK(std::filesystem::is_directory(temp / "a/b/c"));
  CHECK(std::filesystem::is_empty(temp / "a/b/c"));
  folder.create();  // again is no error

  write_file(folder.metrics(), "{}\n");
  write_file(folder.path() + "/notes.txt", "mine");
  CHECK(folder.holds_run());
  folder.clear();
  CHECK_FALSE(folder.holds_run());
  CHECK(read_file(folder.path() + "/notes.txt") == "mine");

  write_file(temp / "file", "text");
  CHECK(
      has_parts(error_of([&] { RunFolder(temp / "file").create(); }), {"can not write to the output folder", "file"}));
  CHECK(has_parts(error_of([&] { RunFolder(temp / "file/below").create(); }), {"file/below"}));
  CHECK(read_file(temp / "file") == "text");

  std::filesystem::create_directories(temp / "odd/model.safetensors");
  CHECK(has_parts(error_of([&] { RunFolder(temp / "odd").create(); }), {"folder named", "model.safetensors"}));
  CHECK(has_parts(error_of([] { RunFolder("/proc/none/run").create(); }), {"/proc/none/run"}));
}

TEST_CASE("Numbers for people", "[tool]") {
  CHECK(tool::grouped(0) == "0");
  CHECK(tool::grouped(999) == "999");
  CHECK(tool::grouped(1000) == "1,000");
  CHECK(tool::grouped(1234567) == "1,234,567");
  CHECK(tool::counted(0, "step") == "0 steps");
  CHECK(tool::counted(1, "step") == "1 step");
  CHECK(tool::counted(2000, "step") == "2,000 steps");
  CHECK(tool::grouped(-123) == "-123");
  CHECK(tool::grouped(-123456) == "-123,456");

  CHECK(tool::short_number(0) == "0");
  CHECK(tool::short_number(999.4) == "999");
  CHECK(tool::short_number(999.6) == "1.00k");
  CHECK(tool::short_number(31204) == "31.2k");
  CHECK(tool::short_number(99960) == "100k");
  CHECK(tool::short_number(812345) == "812k");
  CHECK(tool::short_number(1254000) == "1.25M");
  CHECK(tool::short_number(123e6) == "123M");

  CHECK(tool::clock_time(0) == "0:00");
  CHECK(tool::clock_time(59.6) == "1:00");
  CHECK(tool::clock_time(725) == "12:05");
  CHECK(tool::clock_time(3725) == "1:02:05");
  CHECK(tool::clock_time(-3) == "0:00");
}

}  // namespace tape::inline TAPE_ABI::test
