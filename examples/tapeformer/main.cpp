// tapeformer: trains small Transformers and lets them write; shows what norms, schemes and schedules are.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <new>
#include <string>
#include <string_view>

#include <tape/core/error.h>
#include <tape/core/parallel.h>
#include <tape/examples/support/waiting.h>

#include "commands.h"

namespace {

// A program started without standard streams would get their numbers for its own files, and print into them.
void open_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) < 0) ::open("/dev/null", O_RDWR);  // takes the lowest free number: this one
  }
}

// "tapeformer: message" in one line.
int complain(std::string_view message, int exit_code) {
  std::string line;
  for (const char c : message) {
    if (c == '\n') line += line.ends_with(':') ? "" : ";";
    if (c != '\n' && !(c == ' ' && line.ends_with(' '))) line += c;
  }
  while (line.ends_with(';')) line.pop_back();
  std::cerr << "tapeformer: " << line << '\n';
  return exit_code;
}

}  // namespace

void tapeformer::add_threads(CLI::App& command) {
  command
      .add_option_function<int>(
          "--threads", [](int count) { tape::set_threads(count); }, "Threads; changes nothing but the speed [all]")
      ->type_name("INT");
}

int main(int argc, char** argv) {
  tape::tool::prefer_short_waits(argv);
  open_standard_streams();
  int exit_code = 0;
  CLI::App app(
      "Trains small Transformers on the CPU: a text that goes on, gaps filled in, or a target for each source.",
      "tapeformer");
  app.set_version_flag("--version", tapeformer::version_text, "Print version, processor and libraries, and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(0, 1);  // none at all has a better message below
  app.get_formatter()->column_width(28);
  app.footer(
      "Examples:\n"
      "  tapeformer train --text book.txt --out runs/book\n"
      "  tapeformer train --pairs en-es.tsv --arch encdec --out runs/en-es\n"
      "  tapeformer sample --model runs/book --prompt \"Once upon\" --tokens 400\n"
      "  tapeformer report runs/book runs/other --out both.html\n"
      "  tapeformer inspect runs/book --text \"Once upon\"\n"
      "  tapeformer schedule --schedule cosine --plot cosine.svg\n"
      "  tapeformer schemes deepnorm --layers 100\n"
      "  tapeformer train --help");
  tapeformer::add_train(app, argc > 0 ? argv[0] : "tapeformer", exit_code);
  tapeformer::add_sample(app, exit_code);
  tapeformer::add_inspect(app, exit_code);
  tapeformer::add_schedule(app, exit_code);
  tapeformer::add_schemes(app);
  tapeformer::add_lab(app, exit_code);
  tapeformer::add_report(app, exit_code);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty())
      throw CLI::RequiredError("A command, train, sample, inspect, report, schedule, schemes or lab,");
    return exit_code;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    const auto used = app.get_subcommands();
    const std::string help = used.empty() ? "tapeformer --help" : "tapeformer " + used.front()->get_name() + " --help";
    return complain(std::string(error.what()) + " (see " + help + ")", tapeformer::exit_usage);
  } catch (const tape::Error& error) {
    return complain(error.what(), tapeformer::exit_failure);
  } catch (const std::bad_alloc&) {
    return complain("there is not enough memory; choose a smaller model, batch or text", tapeformer::exit_failure);
  } catch (const std::exception& error) {
    return complain(error.what(), tapeformer::exit_failure);
  }
}
