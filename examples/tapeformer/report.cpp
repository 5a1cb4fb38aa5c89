// tapeformer report: a page about one run, or about several side by side.
#include <memory>
#include <string>
#include <vector>

#include <tape/core/atomic_file.h>
#include <tape/core/error.h>
#include <tape/examples/report/page.h>
#include <tape/examples/support/run_folder.h>
#include <tape/examples/support/screen.h>

#include "commands.h"

namespace tapeformer {

namespace {

namespace report = tape::report;
namespace tool = tape::tool;

struct Options {
  std::vector<std::string> folders;
  std::string out;
  std::string language = "both";
};

int write_report(const Options& options) {
  const tape::lab::Language language = tape::lab::language(options.language);
  const std::vector<report::RunData> runs = report::load_runs(options.folders);
  const std::string file = !options.out.empty() ? options.out
                           : runs.size() == 1   ? tool::RunFolder(options.folders.front()).report()
                                                : "report.html";
  for (const std::string& folder : options.folders) tool::RunFolder(folder).require_free_for_page(file);
  tape::atomic_write_file(file, report::page(report::sections_of(runs, language), language));
  tool::say("page      " + file);
  for (const report::RunData& run : runs) {
    if (run.watch.empty()) tool::say(run.folder + " was not watched: train with --watch to see inside its layers");
  }
  return 0;
}

}  // namespace

void add_report(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("report", "Draw runs: their course, and what went on in their layers");
  command->add_option("DIR", options->folders, "Folders of runs, up to 8 to compare")->required()->type_name("");
  command->add_option("--out", options->out, "The page [report.html in the run's folder; of several\nruns, here]")
      ->type_name("FILE");
  command->add_option("--lang", options->language, "Language of the page: en, zh or both")
      ->type_name("LANG")
      ->capture_default_str();
  command->footer(
      "One page that needs no network: losses, learning rate, gradient norm and updates of all runs on the\n"
      "same axes, maps of layers over steps for runs that were trained with --watch, and settings side by\n"
      "side. Runs may still be going on.\n\n"
      "Examples:\n"
      "  tapeformer train --text book.txt --watch --out runs/book\n"
      "  tapeformer report runs/book\n"
      "  tapeformer report runs/pre runs/post runs/deepnorm --out schemes.html --lang en");
  command->callback([command, options, &exit_code] {
    if (command->get_option("--out")->count() > 0 && options->out.empty())
      throw CLI::ValidationError("--out must not be empty");
    exit_code = write_report(*options);
  });
}

}  // namespace tapeformer
