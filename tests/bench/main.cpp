// bench: how fast training is on this machine, beside what the machine could do. Nothing here is a test: figures are
// for people. Measure on a machine that does nothing else.
#include <fmt/format.h>

#include <exception>
#include <iostream>

#include <tape/core/parallel.h>
#include <tape/examples/support/waiting.h>

#include "commands.h"
#include "measure.h"

int main(int argc, char** argv) {
  tape::tool::prefer_short_waits(argv);
  CLI::App app("Measures the speed of training and of its parts.", "bench");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(1);
  app.fallthrough();  // --threads may follow the subcommand
  app.add_option_function<int>(
         "--threads", [](int count) { tape::set_threads(count); }, "Threads [all]")
      ->check(CLI::Range(1, 1024));
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
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << '\n';
    return 1;
  }
}
