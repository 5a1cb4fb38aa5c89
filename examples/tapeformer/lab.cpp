// tapeformer lab: experiments about norms and schedules, and a page of what came out.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <tape/core/atomic_file.h>
#include <tape/core/error.h>
#include <tape/core/parallel.h>
#include <tape/examples/lab/markdown.h>
#include <tape/examples/lab/report.h>
#include <tape/examples/lab/run_record.h>
#include <tape/examples/lab/runner.h>
#include <tape/examples/support/folder_lock.h>
#include <tape/examples/support/numbers.h>
#include <tape/examples/support/screen.h>

#include "commands.h"

namespace tapeformer {

namespace {

namespace lab = tape::lab;
namespace tool = tape::tool;

struct Options {
  std::vector<const lab::Experiment*> experiments;  ///< empty for all
  bool quick = false, full = false, markdown = false;
  std::string out = "lab";
  std::string language = "both";
  int seeds = 0;
  int jobs = 0;
};

// Processor, compiler and libraries in one line.
std::string environment() {
  std::string text;
  for (const char c : version_text()) {
    if (c == '\n') text += "; ";
    if (c != '\n' && !(c == ' ' && text.ends_with(' '))) text += c;
  }
  return text;
}

// A guess of more than nothing never reads as nothing.
std::string guessed_time(double seconds) {
  return seconds > 0 && seconds < 0.5 ? "<0:01" : tool::clock_time(seconds);
}

void list() {
  for (const lab::Experiment& e : lab::experiments()) {
    const auto summary = [&](lab::Size size) {
      const std::vector<lab::Cell> cells = lab::cells_of(e, size, 0);
      double seconds = 0;
      for (const lab::Cell& cell : cells) seconds += e.seconds(cell);
      return fmt::format("{:>5} cells {:>9}", cells.size(), guessed_time(seconds));
    };
    tool::say(fmt::format("{:<20} quick {}   full {}   {}", e.name, summary(lab::Size::quick), summary(lab::Size::full),
                          e.title.en));
  }
  tool::say("\nDurations are guesses for one processor core.");
}

int run(const Options& o) {
  if (o.quick && o.full) throw CLI::ValidationError("--quick and --full exclude each other");
  const lab::Language language = lab::language(o.language);
  lab::RunOptions options{.size = o.full ? lab::Size::full : lab::Size::quick,
                          .seeds = o.seeds,
                          .jobs = o.jobs > 0 ? o.jobs : tape::threads(),
                          .folder = o.out};
  options.experiments = o.experiments;
  if (o.experiments.empty()) {
    for (const lab::Experiment& e : lab::experiments()) options.experiments.push_back(&e);
  }
  tool::go_on_without_output("nothing else is affected, and the page will be in " + o.out);
  const tool::FolderLock lock(o.out, "or choose another folder with --out");
  const std::string page = o.out + "/report.html";
  { const tape::AtomicFile trial(page); }  // what can not be written is told before anything is measured
  const lab::Plan plan = lab::plan_of(options);
  const char* size = o.full ? "full" : "quick";
  tool::say(fmt::format("{}: {}, {}, {} of them measured already; about {} for the rest, {} at once", size,
                        tool::counted(std::ssize(options.experiments), "experiment"), tool::counted(plan.cells, "cell"),
                        tool::grouped(plan.done), guessed_time(plan.seconds_left / options.jobs), options.jobs));
  const lab::RunResult result = lab::run(options, lock);
  lab::remember(o.out, {size, plan.cells, result.measured, options.jobs, result.seconds, environment()});
  tape::atomic_write_file(page, lab::report(o.out, language));
  tool::say(fmt::format("{} measured in {}", tool::counted(result.measured, "cell"), tool::clock_time(result.seconds)));
  tool::say("page      " + page);
  if (o.markdown) {
    lab::write_markdown(o.out, language);
    tool::say(fmt::format("notes     {0}/report.md, pictures {0}/figures", o.out));
  }
  if (result.interrupted) tool::say("stopped; the same command goes on from here");
  return result.interrupted ? exit_interrupted : 0;
}

void add_run_options(CLI::App* command, const std::shared_ptr<Options>& options) {
  command->add_flag("--quick", options->quick, "Part of the cells, under 10 minutes for all on 2 cores [default]");
  command->add_flag("--full", options->full, "All cells, an hour or two for all on 2 cores");
  command->add_option("--out", options->out, "Folder for data and page")->type_name("DIR")->capture_default_str();
  add_whole(*command, "--seeds", options->seeds, "Seeds of each cell [3, or 10 where only the start is measured]")
      ->check(from_to(1, 1'000'000));
  add_whole(*command, "--jobs", options->jobs, "Cells measured at once, each on one core [all]")
      ->check(from_to(1, 1024));
  command->add_flag("--markdown", options->markdown, "Also write verdicts and figures as DIR/report.md and SVG files");
  command->add_option("--lang", options->language, "Language of the page: en, zh or both")
      ->check(known_by(tape::lab::language))
      ->type_name("LANG")
      ->capture_default_str();
}

}  // namespace

void add_lab(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("lab", "Run experiments about norms and schedules, and write a page of them");
  command->require_subcommand(1);
  command->footer(  // for the commands below, too
      "What was measured is kept in DIR/NAME.jsonl: the same command goes on where an interrupted one stopped, and\n"
      "--full goes on from --quick. The page is DIR/report.html.\n\n"
      "Examples:\n"
      "  tapeformer lab list\n"
      "  tapeformer lab run gradient-depth activation-growth\n"
      "  tapeformer lab all --quick --out lab --lang en");
  command->add_subcommand("list", "List the experiments")->callback([] { list(); });
  const auto options = std::make_shared<Options>();
  CLI::App* some = command->add_subcommand("run", "Run the experiments named");
  const auto choose = [some, options](const std::vector<std::string>& names) {
    if (some->remaining_size() > 0) return;  // of an unknown option this would be its value: that is said instead
    for (const std::string& name : names) {
      const lab::Experiment* const e = as_usage(*some, [&] { return &lab::experiment(name); });
      if (std::ranges::find(options->experiments, e) != options->experiments.end()) {
        throw CLI::ValidationError(tape::str("experiment ", name, " is named twice"));
      }
      options->experiments.push_back(e);
    }
  };
  some->add_option_function<std::vector<std::string>>("NAME", choose, "Experiments, as lab list shows them")
      ->required();
  CLI::App* all = command->add_subcommand("all", "Run all experiments");
  for (CLI::App* c : {some, all}) {
    add_run_options(c, options);
    c->callback([options, &exit_code] { exit_code = run(*options); });
  }
}

}  // namespace tapeformer
