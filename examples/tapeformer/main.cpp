// tapeformer: trains small Transformers and lets them write; shows what norms, schemes and schedules are.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <new>
#include <sstream>
#include <string>
#include <string_view>

#include <tape/core/error.h>
#include <tape/core/parallel.h>
#include <tape/examples/support/screen.h>
#include <tape/examples/support/waiting.h>

#include "choices.h"
#include "commands.h"
#include "usage.h"

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

// Training and experiments leave files, and go on when nobody reads what they say; all else is there to be read.
bool is_for_reading(const CLI::App& app) {
  if (app.got_subcommand("train")) return false;
  return !app.got_subcommand("lab") || app.get_subcommand("lab")->got_subcommand("list");
}

// Parses, and by that runs the command.
void run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    std::ostringstream text;
    app.exit(help, text, text);
    tape::tool::show(text.str());
    tape::tool::require_shown();
    return;
  }
  if (is_for_reading(app)) tape::tool::require_shown();
}

// The same for a wrong command line.
int complain_of_usage(const std::string& message, const CLI::App& app) {
  std::string help = "tapeformer";
  for (const CLI::App* c = &app; !c->get_subcommands().empty(); help += " " + c->get_name()) {
    c = c->get_subcommands().front();
  }
  return complain(message + " (see " + help + " --help)", tapeformer::exit_usage);
}

}  // namespace

void tapeformer::add_threads(CLI::App& command) {
  const auto set = [](const std::string& given) {
    int count = 0;
    read_whole(given, count);
    tape::set_threads(count);
  };
  command.add_option_function<std::string>("--threads", set, "Threads; changes nothing but the speed [all]")
      ->check(from_to(1, 1024))
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
  app.require_subcommand(1);
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
  tapeformer::add_inspect(app);
  tapeformer::add_schedule(app, exit_code);
  tapeformer::add_schemes(app);
  tapeformer::add_lab(app, exit_code);
  tapeformer::add_report(app, exit_code);
  try {
    run(app, argc, argv);
    return exit_code;
  } catch (const CLI::ParseError& error) {
    return complain_of_usage(tapeformer::message_of(error, app), app);
  } catch (const tape::Error& error) {
    const std::string message = error.what();
    if (message.starts_with("--")) return complain_of_usage(message, app);
    return complain(message, tapeformer::exit_failure);
  } catch (const std::bad_alloc&) {
    return complain("there is not enough memory; choose a smaller model, batch or text", tapeformer::exit_failure);
  } catch (const std::exception& error) {
    return complain(error.what(), tapeformer::exit_failure);
  }
}
