#include "prepared_run.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include <tape/core/error.h>
#include <tape/examples/support/checkpoint.h>
#include <tape/examples/support/numbers.h>
#include <tape/examples/support/saved_run.h>
#include <tape/examples/support/text.h>

#include "suggestion.h"

namespace tapeformer {

namespace {

namespace tool = tape::tool;
using tape::Error;

constexpr const char* another_folder = "or choose another folder with --out";

tool::Corpus corpus_of(const std::u32string& text, const tool::CharTokenizer& tokenizer,
                       const tool::RunConfig& config) {
  return tool::corpus_of(text, tokenizer, config.architecture, config.text.path);
}

// A run must not write over what it learns from.
void require_other_file(const tool::RunFolder& folder, const std::string& text) {
  const std::string file = folder.same_file(text);
  if (!file.empty())
    throw Error(tape::str(text, " would be replaced by the run, which writes its own ", file,
                          ": give the text another name or the run another folder with --out"));
}

// A run is not replaced unless that is asked for, and another program's model never is.
void require_free(const tool::RunFolder& folder, const TrainOptions& options) {
  const std::string foreign = folder.foreign_file();
  if (!foreign.empty())
    throw Error(tape::str(foreign, " is not of a run of this program, which would replace it: choose another folder ",
                          "with --out"));
  if (!folder.holds_run() || options.force) return;
  const std::string go_on = folder.can_continue()
                                ? tape::str("--force replaces it, --resume ", quoted(options.out), " continues it")
                                : "it has no checkpoint yet, --force starts it anew";
  throw Error(tape::str(options.out, " already holds a run: ", go_on, ", another --out keeps it"));
}

std::optional<PreparedRun> prepare_new(const TrainOptions& options, const tool::Interrupt& interrupt) {
  const tool::RunFolder folder(options.out);
  require_other_file(folder, options.config.text.path);
  if (folder.holds_run()) tool::FolderLock(folder.path(), another_folder);  // a process may be at work there
  require_free(folder, options);
  tool::RunConfig config = options.config;
  const std::u32string text = tool::read_text(config.text.path);
  const tool::CharTokenizer tokenizer = tool::tokenizer_of(text, config.architecture);
  config.model.vocab = tool::vocabulary(tokenizer, config.architecture);
  config.text = {.path = std::filesystem::absolute(config.text.path).lexically_normal().string(),
                 .characters = std::ssize(text),
                 .fingerprint = tool::fingerprint(text)};
  auto trainer = std::make_unique<tool::Trainer>(config, corpus_of(text, tokenizer, config));
  if (interrupt.requested()) return {};
  folder.create();
  tool::FolderLock lock(folder.path(), another_folder);
  require_free(folder, options);  // another process may have trained there meanwhile
  folder.clear();
  folder.remove_leftovers();
  tokenizer.save(folder.tokenizer());
  tool::save_config(folder.config(), config);
  return PreparedRun{folder, std::move(lock), tokenizer, std::move(trainer)};
}

// Schedules are stretched over all steps of a run, so that another number of them changes its rate at once.
std::string change_of_schedule(const tool::Recipe& before, const tool::Recipe& now, int64_t step) {
  const auto rate_of = [step](const tool::Recipe& recipe) {
    return fmt::format("{:.2g}", tool::make_schedule(recipe)(step));
  };
  const std::string old_rate = rate_of(before);
  const std::string rate = rate_of(now);
  if (rate == old_rate) return "";
  return fmt::format("schedule  that of {} now, not of {}: the learning rate goes on with {} instead of {}",
                     tool::counted(now.steps, "step"), tool::grouped(before.steps), rate, old_rate);
}

// The text that a run began with.
std::u32string text_of_run(const tool::RunConfig& config) {
  const std::string& path = config.text.path;
  const char* const option = tool::learns_pairs(config.architecture) ? "--pairs" : "--text";
  if (!std::filesystem::exists(path))
    throw Error(
        tape::str("there is no file ", path, ", which this run learns from: if it was moved, name it with ", option));
  std::u32string text = tool::read_text(path);
  if (tool::fingerprint(text) != config.text.fingerprint)
    throw Error(tape::str(path, " is not the text that this run began with: give that one with ", option));
  return text;
}

// Before the recipe is checked, in which fewer steps than were done can make other settings wrong.
void require_steps_left(const tool::RunFolder& folder, int64_t steps) {
  const std::string anew = tape::str("start anew with --out ", quoted(folder.path()), " --force");
  if (!std::filesystem::exists(folder.checkpoint()))
    throw Error(
        tape::str("there is nothing to continue in ", folder.path(), ": ", folder.checkpoint(), " is missing; ", anew));
  int64_t done = 0;
  try {
    done = tool::checkpoint_steps(folder.checkpoint());
  } catch (const Error& error) {
    throw Error(tape::str(error.what(), "; or ", anew));
  }
  if (done > steps)
    throw Error(tape::str("the run in ", folder.path(), " has already done ", done, " steps: --steps ", steps,
                          " is too few, give more"));
}

std::optional<PreparedRun> prepare_resumed(const TrainOptions& options, const tool::Interrupt& interrupt) {
  const tool::RunFolder folder(options.resume);
  folder.require_run();
  tool::FolderLock lock(folder.path());  // before the checkpoint is read, which another process may replace
  auto [config, tokenizer] = tool::load_saved_run(folder);
  const int64_t eval_every = config.reporting.eval_every;
  const tool::Recipe before = config.recipe;
  options.apply_to(config);
  require_steps_left(folder, config.recipe.steps);
  require_other_file(folder, config.text.path);
  if (config.recipe.schedule == tool::ScheduleKind::Plateau && config.reporting.eval_every != eval_every) {
    throw Error("--eval-every can not be changed with --resume: the plateau schedule listens to the validation loss");
  }
  const std::u32string text = text_of_run(config);
  if (!(tokenizer == tool::tokenizer_of(text, config.architecture))) {
    throw Error(tape::str(folder.tokenizer(), " does not belong to ", config.text.path));
  }
  auto trainer = std::make_unique<tool::Trainer>(config, corpus_of(text, tokenizer, config));
  trainer->load(folder.checkpoint());
  if (interrupt.requested()) return {};
  folder.create();
  folder.remove_leftovers();
  tool::save_config(folder.config(), config);
  std::string rescheduled = change_of_schedule(before, config.recipe, trainer->steps());
  return PreparedRun{folder, std::move(lock), tokenizer, std::move(trainer), std::move(rescheduled)};
}

}  // namespace

std::optional<PreparedRun> prepare(const TrainOptions& options, const tool::Interrupt& interrupt) {
  return options.resume.empty() ? prepare_new(options, interrupt) : prepare_resumed(options, interrupt);
}

}  // namespace tapeformer
