// tapeformer report: a page about one run, or about several side by side.
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <tape/core/atomic_file.h>
#include <tape/core/error.h>
#include <tape/core/safetensors.h>
#include <tape/examples/report/page.h>
#include <tape/examples/support/run_folder.h>
#include <tape/examples/support/screen.h>

#include "commands.h"
#include "look_options.h"

namespace tapeformer {

namespace {

namespace report = tape::report;
namespace tool = tape::tool;

struct Options {
  std::vector<std::string> folders;
  std::string out;
  std::string language = "both";
  LookOptions look;  ///< only with a text to read
};

// What the model of a run sees in a text, for its page.
report::Section look_into(const tool::RunFolder& folder, const LookOptions& look, tape::lab::Language language) {
  folder.require_model();
  return {"inspect",
          {"Attention and activations on a text", "模型在一段文本上的注意力与激活"},
          tape::inspect::sections(folder, look.request, look.selection, language)};
}

// What is wrong with a run, though there is a page of it.
void warn_of(const report::RunData& run) {
  const auto warn = [](const std::string& what) { std::cerr << "tapeformer: warning: " << what << '\n'; };
  const tool::RunFolder files(run.folder);
  if (run.metrics.empty()) warn(files.metrics() + " has no complete line: the page shows nothing of the run's course");
  try {
    if (std::filesystem::exists(files.model())) tape::SafetensorsFile::open(files.model());
  } catch (const tape::Error& error) {
    warn(error.what());
  }
}

int write_report(const Options& options) {
  const tape::lab::Language language = tape::lab::language(options.language);
  const std::vector<report::RunData> runs = report::load_runs(options.folders);
  const std::string file = !options.out.empty() ? options.out
                           : runs.size() == 1   ? tool::RunFolder(options.folders.front()).report()
                                                : "report.html";
  for (const std::string& folder : options.folders) tool::RunFolder(folder).require_free_for_page(file);
  std::vector<report::Section> sections = report::sections_of(runs, language);
  if (options.look.request.text)
    sections.push_back(look_into(tool::RunFolder(options.folders.front()), options.look, language));
  tape::atomic_write_file(file, report::page(sections, language));
  tool::say("page      " + file);
  for (const report::RunData& run : runs) {
    warn_of(run);
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
      ->check(known_by(tape::lab::language))
      ->type_name("LANG")
      ->capture_default_str();
  add_look_options(*command, options->look, "no model is looked into");
  add_threads(*command);
  command->footer(
      "One page that needs no network: losses, learning rate, gradient norm and updates of all runs on the\n"
      "same axes, maps of layers over steps for runs that were trained with --watch, and settings side by\n"
      "side. Runs may still be going on. With --text the page of one run shows its attention maps and activations\n"
      "on that text too, as the page of inspect does.\n\n"
      "Examples:\n"
      "  tapeformer train --text book.txt --watch --out runs/book\n"
      "  tapeformer report runs/book\n"
      "  tapeformer report runs/book --text \"In the beginning\"\n"
      "  tapeformer report runs/pre runs/post runs/deepnorm --out schemes.html --lang en");
  command->callback([command, options, &exit_code] {
    if (command->get_option("--out")->count() > 0 && options->out.empty())
      throw CLI::ValidationError("--out must not be empty");
    const bool looks = options->look.request.text.has_value();
    for (const char* name : {"--target", "--mask", "--layers", "--heads"}) {
      if (!looks && command->get_option(name)->count() > 0)
        throw CLI::ValidationError(std::string(name) + " needs --text: what the model is to read");
    }
    if (looks && options->folders.size() > 1) throw CLI::ValidationError("--text looks into one model: give one DIR");
    exit_code = write_report(*options);
  });
}

}  // namespace tapeformer
