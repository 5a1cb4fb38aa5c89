// bench start: from the start of the process to the end of its first training step, as someone at a keyboard waits for
// it.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tape/core/error.h>

#include "commands.h"
#include "measure.h"
#include "step.h"

namespace bench {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string name = "W1";
  int64_t runs = 15;
  bool json = false;
  bool child = false;
};

// The clock is the same in all processes: a child says when it got where.
void first_step(const Options& o) {
  const double main_ms = now_ms();
  Step step(workload(o.name));
  const double model_ms = now_ms();
  step();
  fmt::print("{:.17g} {:.17g} {:.17g}\n", main_ms, model_ms, now_ms());
  std::fflush(stdout);
}

// Milliseconds, each since the moment before it.
struct Start {
  double program = 0;  // loaded and linked, twice where it starts itself again (support/waiting.h), up to the command
  double model = 0;    // made, with its optimizer
  double step = 0;
  double whole() const { return program + model + step; }
};

// Starts this program once more, with the threads that this one was told to use.
Start start(const Options& o) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) throw tape::Error("bench start: no pipe to another process");
  const std::string threads = std::to_string(machine().threads);
  const double before = now_ms();
  const pid_t child = ::fork();
  if (child < 0) throw tape::Error("bench start: no other process can be started");
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::unsetenv("GOMP_SPINCOUNT");  // which this process has set for itself
    ::execl("/proc/self/exe", "bench", "--threads", threads.c_str(), "start", "--workload", o.name.c_str(), "--child",
            static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(ends[1]);
  double at_main = 0, with_model = 0, at_end = 0;
  FILE* answer = ::fdopen(ends[0], "r");
  const int read = answer ? std::fscanf(answer, "%lf %lf %lf", &at_main, &with_model, &at_end) : 0;
  if (answer) std::fclose(answer);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (read != 3 || status != 0) throw tape::Error("bench start: the other process failed");
  return {at_main - before, with_model - at_main, at_end - with_model};
}

double median(const std::vector<Start>& starts, auto of) {
  std::vector<double> ms;
  for (const Start& s : starts) ms.push_back(of(s));
  return summary(std::move(ms)).median;
}

void run(const Options& o) {
  if (o.child) {
    first_step(o);
    return;
  }
  workload(o.name);  // complains about the name here
  start(o);          // the files of the program are in memory from then on
  std::vector<Start> starts;
  for (int64_t i = 0; i < o.runs; ++i) starts.push_back(start(o));
  const double whole = median(starts, [](const Start& s) { return s.whole(); });
  const double program = median(starts, [](const Start& s) { return s.program; });
  const double model = median(starts, [](const Start& s) { return s.model; });
  const double step = median(starts, [](const Start& s) { return s.step; });
  if (o.json) {
    const Json json = {{"workload", o.name},    {"runs", o.runs},    {"ms", whole},
                       {"program_ms", program}, {"model_ms", model}, {"first_step_ms", step}};
    fmt::print("{}\n", json.dump(2));
    return;
  }
  fmt::print(
      "{}: the first step ends {:.0f} ms after the start of the program (medians of {})\n"
      "  {:6.1f} ms to load the program and its libraries\n"
      "  {:6.1f} ms to make the model\n"
      "  {:6.1f} ms for the step\n",
      o.name, whole, o.runs, program, model, step);
}

}  // namespace

void add_start(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("start", "Time from the start of the program to the end of its first step");
  add_workload(*command, options->name);
  add_number(*command, "--runs", options->runs, "How often to start it")->check(from_to<int64_t>(1, 1000));
  add_common(*command, options->json);
  command->footer(
      "Examples:\n"
      "  bench start\n"
      "  bench start --workload W4 --runs 30");
  command->add_flag("--child", options->child)->group("");
  command->callback([options] { run(*options); });
}

}  // namespace bench
