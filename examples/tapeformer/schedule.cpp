// tapeformer schedule: the learning rate of each step, as numbers and as a picture, before any training.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tape/core/atomic_file.h>
#include <tape/examples/support/line_chart.h>
#include <tape/examples/support/numbers.h>
#include <tape/examples/support/recipe.h>
#include <tape/examples/support/screen.h>
#include <tape/examples/support/text.h>
#include <tape/examples/support/text_plot.h>

#include "commands.h"

namespace tapeformer {

namespace {

namespace tool = tape::tool;
using tape::Error;

struct Options {
  tool::Recipe recipe;
  std::string schedule = "cosine";
  std::vector<std::string> compare;
  std::optional<std::string> warmup;
  std::optional<double> min_lr;
  std::string plot, csv;
  std::optional<std::string> title;
  bool log_y = false;
};

// One line of the table's head, the picture's names and the file's columns.
struct Course {
  std::string name;
  tool::Recipe recipe;
  tape::optim::Schedule rate;
};

Course course_of(const std::string& name, const Options& options) {
  tool::Recipe r = options.recipe;
  r.schedule = tool::schedule_kind(name);
  r.min_lr = options.min_lr.value_or(tool::default_min_lr(r));
  r.warmup = options.warmup ? tool::warmup_steps(*options.warmup, r) : tool::default_warmup(r);
  return {name, r, tool::make_schedule(r)};
}

std::vector<Course> courses_of(const Options& options) {
  std::vector<Course> courses{course_of(options.schedule, options)};
  for (const std::string& name : options.compare) {
    if (std::ranges::any_of(courses, [&](const Course& c) { return c.name == name; }))
      throw Error(tape::str("--compare names ", name, " a second time"));
    courses.push_back(course_of(name, options));
  }
  if (courses.size() > tool::most_series)
    throw Error(
        tape::str("--compare: at most ", tool::most_series, " schedules can be compared, these are ", courses.size()));
  return courses;
}

// At most `most` steps of a run, the first and the last among them, at equal distances.
std::vector<int64_t> some_steps(int64_t steps, int64_t most) {
  std::vector<int64_t> chosen;
  const int64_t count = std::min(steps, most);
  for (int64_t i = 0; i < count; ++i) chosen.push_back(count == 1 ? 0 : i * (steps - 1) / (count - 1));
  return chosen;
}

// Begin, end of the warm-up, quarters and end.
std::vector<int64_t> table_steps(const tool::Recipe& r) {
  std::vector<int64_t> steps{0, std::max<int64_t>(0, r.warmup - 1)};
  for (int64_t quarter = 1; quarter < 4; ++quarter) steps.push_back(r.steps * quarter / 4);
  steps.push_back(r.steps - 1);
  std::ranges::sort(steps);
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  return steps;
}

void print_table(const std::vector<Course>& courses) {
  const auto width = [](const Course& c) { return std::max<std::size_t>(9, c.name.size()) + 2; };
  const auto line = [&](const std::string& head, const auto& cell) {
    std::string text = fmt::format("{:>13}", head);
    for (const Course& c : courses) text += fmt::format("{:>{}}", cell(c), width(c));
    tool::say(text);
  };
  line("step", [](const Course& c) { return c.name; });
  for (const int64_t step : table_steps(courses.front().recipe)) {
    line(tool::grouped(step), [step](const Course& c) { return fmt::format("{:.2e}", c.rate(step)); });
  }
  const std::vector<int64_t> steps = some_steps(courses.front().recipe.steps, 100'000);
  line("mean", [&](const Course& c) {
    double sum = 0;
    for (const int64_t step : steps) sum += c.rate(step);
    return fmt::format("{:.2e}", sum / static_cast<double>(steps.size()));
  });
}

void print_plot(const std::vector<Course>& courses) {
  constexpr int64_t across = 64;
  const int rows = courses.size() == 1 ? 8 : 1;
  std::size_t width = 13;
  for (const Course& c : courses) width = std::max(width, c.name.size());
  tool::say("");
  for (const Course& c : courses) {
    std::vector<double> rates;
    for (const int64_t step : some_steps(c.recipe.steps, across)) rates.push_back(c.rate(step));
    const std::vector<std::string> lines = tool::columns(rates, c.recipe.lr, rows);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string head = courses.size() > 1 ? c.name : i == 0 ? fmt::format("{:.2e}", c.recipe.lr) : "";
      tool::say(fmt::format("{:>{}}  {}", head, width, lines[i]));
    }
  }
}

std::string csv_of(const std::vector<Course>& courses) {
  std::string text = "step";
  for (const Course& c : courses) text += "," + c.name;
  text += '\n';
  for (int64_t step = 0; step < courses.front().recipe.steps; ++step) {
    text += fmt::format("{}", step);
    for (const Course& c : courses) text += fmt::format(",{}", c.rate(step));
    text += '\n';
  }
  return text;
}

std::string svg_of(const std::vector<Course>& courses, const Options& options) {
  const tool::Recipe& first = courses.front().recipe;
  tool::LineChart chart{.title = options.title.value_or("Learning-rate schedules"),
                        .subtitle = fmt::format("{}, highest rate {}", tool::counted(first.steps, "step"), first.lr),
                        .x_name = "step",
                        .y_name = "learning rate",
                        .log_y = options.log_y,
                        .zero_y = true};
  if (courses.size() == 1 && !options.title) chart.title = "Learning-rate schedule " + courses.front().name;
  bool same = true;
  for (const Course& c : courses) {
    tool::Series series{c.name, {}};
    for (const int64_t step : some_steps(c.recipe.steps, 4000)) {
      series.points.push_back({static_cast<double>(step), c.rate(step)});
    }
    chart.series.push_back(std::move(series));
    same = same && c.recipe.warmup == first.warmup;
  }
  if (first.warmup > 1) {
    chart.bands.push_back(
        {0, static_cast<double>(first.warmup - 1), same ? "warm-up" : "warm-up of " + courses.front().name});
  }
  return tool::to_svg(chart);
}

int schedule(const Options& options, const std::vector<Course>& courses) {
  constexpr int64_t most_lines = 1'000'000;
  const tool::Recipe& r = courses.front().recipe;
  if (options.title) tool::decode_utf8(*options.title, "--title");
  if (!options.csv.empty() && options.csv == options.plot) throw Error("--plot and --csv must not name the same file");
  if (!options.csv.empty() && r.steps > most_lines)
    throw Error(
        tape::str("--csv has a line for each step, at most ", most_lines, ": --steps ", r.steps, " is too many"));
  const std::string svg = options.plot.empty() ? "" : svg_of(courses, options);
  const std::string csv = options.csv.empty() ? "" : csv_of(courses);
  if (!options.plot.empty()) tape::atomic_write_file(options.plot, svg);
  if (!options.csv.empty()) tape::atomic_write_file(options.csv, csv);

  tool::say(fmt::format("{}, warm-up {}, lr {}, min-lr {}", tool::counted(r.steps, "step"), tool::grouped(r.warmup),
                        r.lr, r.min_lr));
  print_table(courses);
  if (tool::shows_utf8()) print_plot(courses);
  for (const Course& c : courses) {
    if (c.recipe.schedule == tool::ScheduleKind::Plateau)
      tool::say("plateau is shown as if the validation loss kept falling; else it is halved again and again");
  }
  if (!options.plot.empty()) tool::say("picture   " + options.plot);
  if (!options.csv.empty()) tool::say("numbers   " + options.csv);
  return 0;
}

// Options that would change nothing beside the others are refused: who gives one expects something of it.
void refuse_idle(const CLI::App& command, const Options& options) {
  std::vector<std::string> shown = options.compare;
  shown.push_back(options.schedule);
  const bool falls = std::ranges::any_of(
      shown, [](const std::string& name) { return tool::has_lowest_rate(tool::schedule_kind(name)); });
  refuse_unused(command, {{"--log-y", !options.plot.empty(), "--plot"},
                          {"--title", !options.plot.empty(), "--plot"},
                          {"--beta2", options.warmup == "untuned", "--warmup untuned"},
                          {"--min-lr", falls, "schedules that fall to a lowest rate"}});
}

// As CLI11 shows them: its own words for a name that is none of these would be long.
std::string names() {
  std::string text;
  std::size_t column = 0;
  for (const tool::ScheduleKind kind : tool::schedule_kinds()) {
    const std::string name(name_of(kind));
    if (column + name.size() > 66) text += ",\n", column = 0;
    if (column > 0) text += ", ", column += 2;
    text += name;
    column += name.size();
  }
  return text;
}

}  // namespace

void add_schedule(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("schedule", "Show the learning rate of each step, as numbers and as a picture");
  command->option_defaults()->group("Schedule");
  command->add_option("--schedule", options->schedule, names())
      ->check(known_by(tool::schedule_kind))
      ->type_name("NAME")
      ->capture_default_str();
  add_number(*command, "--steps", options->recipe.steps, "Steps of the run");
  command->add_option("--lr", options->recipe.lr, "Highest learning rate")->capture_default_str();
  command->add_option("--min-lr", options->min_lr, "Lowest learning rate [lr/10; one_cycle: lr/250000]");
  command
      ->add_option("--warmup", options->warmup,
                   "Steps in which the rate rises, or untuned: 2/(1 - beta2)\n[100, or a tenth of --steps; one_cycle: "
                   "30 %]")
      ->type_name("INT");
  command->add_option("--beta2", options->recipe.beta2, "Adam's, for an untuned warm-up")->capture_default_str();
  command->add_option("--compare", options->compare, "More schedules, beside the first one")
      ->delimiter(',')
      ->check(known_by(tool::schedule_kind))
      ->type_name("NAME,...");
  command->option_defaults()->group("Output");
  command->add_option("--plot", options->plot, "Draw them into this file, as SVG")->type_name("FILE");
  command->add_flag("--log-y", options->log_y, "Equal heights for equal ratios of rates");
  command->add_option("--title", options->title, "Title of the picture")->type_name("TEXT");
  command->add_option("--csv", options->csv, "Write the rates of every step into this file")->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  tapeformer schedule --schedule cosine --steps 2000 --warmup 100 --lr 1e-3\n"
      "  tapeformer schedule --compare linear,wsd,one_cycle --plot schedules.svg\n"
      "  tapeformer schedule --schedule noam --warmup untuned --beta2 0.98 --log-y --plot noam.svg --csv noam.csv");
  command->callback([command, options, &exit_code] {
    for (const char* file : {"--plot", "--csv"}) {
      if (command->get_option(file)->count() > 0 && command->get_option(file)->as<std::string>().empty())
        throw CLI::ValidationError(std::string(file) + " must not be empty");
    }
    refuse_idle(*command, *options);
    const std::vector<Course> courses = as_usage(*command, [&] { return courses_of(*options); });
    exit_code = schedule(*options, courses);
  });
}

}  // namespace tapeformer
