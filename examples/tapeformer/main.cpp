// tapeformer: trains small Transformers and lets them write; shows what norms, schemes and schedules are.
#include <tape/examples/command_line/program.h>
#include <tape/examples/support/waiting.h>

#include "commands.h"

namespace {

namespace command_line = tape::command_line;

// Training and experiments leave files, and go on when nobody reads what they say; all else is there to be read.
bool is_for_reading(const CLI::App& app) {
  if (app.got_subcommand("train")) return false;
  return !app.got_subcommand("lab") || app.get_subcommand("lab")->got_subcommand("list");
}

}  // namespace

int main(int argc, char** argv) {
  tape::tool::prefer_short_waits(argv);
  command_line::open_standard_streams();
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
  return command_line::run_program(app, argc, argv, exit_code, is_for_reading);
}
