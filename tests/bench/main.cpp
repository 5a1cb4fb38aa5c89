// bench: how fast training is on this machine, beside what the machine could do. Nothing here is a test: figures are
// for people. Measure on a machine that does nothing else.
#include <tape/examples/command_line/program.h>
#include <tape/examples/support/waiting.h>

#include "commands.h"

namespace command_line = tape::command_line;

int main(int argc, char** argv) {
  tape::tool::prefer_short_waits(argv);
  command_line::open_standard_streams();
  CLI::App app("Measures the speed of training and of its parts.", "bench");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(1);
  command_line::add_threads(app);
  app.footer(
      "Examples:\n"
      "  bench train --workload W1 W4\n"
      "  bench train --workload W2 --threads 1 --json\n"
      "  bench ops\n"
      "  bench gemm --workload W4\n"
      "  bench scale\n"
      "  bench scale --over context threads\n"
      "  bench start\n"
      "  bench head --workload W3\n"
      "  bench sample --batch 1");
  bench::add_train(app);
  bench::add_ops(app);
  bench::add_gemm(app);
  bench::add_scale(app);
  bench::add_sample(app);
  bench::add_start(app);
  bench::add_head(app);
  const auto for_reading = [](const CLI::App&) { return true; };
  return command_line::run_program(app, argc, argv, 0, for_reading);
}
