// tapeformer train: a model from a text, or from pairs of texts.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include <tape/core/atomic_file.h>
#include <tape/examples/report/live_run.h>
#include <tape/examples/report/page.h>
#include <tape/examples/support/folder_lock.h>
#include <tape/examples/support/numbers.h>
#include <tape/examples/support/saved_run.h>
#include <tape/examples/support/screen.h>
#include <tape/examples/support/text.h>
#include <tape/examples/support/training_run.h>

#include "commands.h"
#include "suggestion.h"
#include "train_options.h"

namespace tapeformer {

namespace {

namespace tool = tape::tool;
using tape::Error;

// Everything about a run that has been checked and is ready to start.
struct Prepared {
  tool::RunFolder folder;
  tool::FolderLock lock;
  tool::CharTokenizer tokenizer;
  std::unique_ptr<tool::Trainer> trainer;
  std::string rescheduled = {};  // what another number of steps does to a run that goes on
};

// What the loss is counted for.
const char* target_of(tape::nn::Architecture architecture) {
  return architecture == tape::nn::Architecture::EncoderOnly ? "character asked for" : "character";
}

void introduce(const Prepared& run) {
  const tool::RunConfig& config = run.trainer->config();
  const tape::nn::ModelConfig& m = config.model;
  const tool::Recipe& r = config.recipe;
  const bool encdec = tool::learns_pairs(config.architecture);
  const auto parameters = static_cast<double>(tape::nn::count_parameters(run.trainer->model()));
  tool::say(fmt::format("{}     {}: {}, {}", encdec ? "pairs" : "text ", config.text.path,
                        run.trainer->data().description(), tool::counted(run.tokenizer.size(), "different character")));
  tool::say(fmt::format(
      "model     {}, {} parameters: {}, {}, width {}, context {}", tool::name_of(config.architecture),
      tool::short_number(parameters),
      encdec ? fmt::format("{} + {} layers", m.layers, tape::nn::decoder_layers(m)) : tool::counted(m.layers, "layer"),
      tool::counted(m.heads, "head"), m.width, m.context));
  tool::say(fmt::format("          scheme {}, norm {}, activation {}, positions {}, {} head", name_of(m.scheme),
                        name_of(m.norm.kind), name_of(m.activation), name_of(m.positions), m.tied ? "tied" : "untied"));
  if (m.mixture.experts > 0) {
    tool::say(fmt::format("          a mixture of {} experts in each layer, {} for each token", m.mixture.experts,
                          m.mixture.per_token));
  }
  const std::string rows = encdec ? "pairs" : fmt::format("x {} characters", m.context);
  tool::say(fmt::format("training  {} of {} {}, {}{}", tool::counted(r.steps, "step"), r.batch * r.accumulate, rows,
                        name_of(r.optimizer), r.ema > 0 ? fmt::format(", weights averaged with decay {}", r.ema) : ""));
  tool::say(fmt::format("          learning rate {}, schedule {} after {} of warm-up", r.lr, name_of(r.schedule),
                        tool::counted(r.warmup, "step")));
  if (r.precision != tape::Precision::f32) {
    tool::say(fmt::format("          matrix products in {}", name_of(r.precision)));
  }
  tool::say(fmt::format("output    {}", run.folder.path()));
  tool::say(fmt::format("loss      nats per {}; blind guessing has {:.2f}, letter frequencies {:.2f}",
                        target_of(config.architecture), std::log(static_cast<double>(m.vocab)),
                        run.trainer->data().unigram_entropy()));
}

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

Prepared prepare_new(const TrainOptions& options) {
  const tool::RunFolder folder(options.out);
  require_other_file(folder, options.config.text.path);
  if (folder.holds_run() && !options.force) {
    const std::string go_on = folder.can_continue()
                                  ? tape::str("--force replaces it, --resume ", quoted(options.out), " continues it")
                                  : "it has no checkpoint yet, --force starts it anew";
    throw Error(tape::str(options.out, " already holds a run: ", go_on, ", another --out keeps it"));
  }
  tool::RunConfig config = options.config;
  const std::u32string text = tool::read_text(config.text.path);
  const tool::CharTokenizer tokenizer = tool::tokenizer_of(text, config.architecture);
  config.model.vocab = tool::vocabulary(tokenizer, config.architecture);
  config.text = {.path = std::filesystem::absolute(config.text.path).lexically_normal().string(),
                 .characters = std::ssize(text),
                 .fingerprint = tool::fingerprint(text)};
  auto trainer = std::make_unique<tool::Trainer>(config, corpus_of(text, tokenizer, config));
  folder.create();
  tool::FolderLock lock(folder.path());
  folder.clear();
  tokenizer.save(folder.tokenizer());
  tool::save_config(folder.config(), config);
  return {folder, std::move(lock), tokenizer, std::move(trainer)};
}

// Schedules are stretched over all steps of a run, so that more steps change its rate at once.
std::string change_of_schedule(const tool::Recipe& before, const tool::Recipe& now, int64_t step) {
  const double old_rate = tool::make_schedule(before)(step);
  const double rate = tool::make_schedule(now)(step);
  if (rate == old_rate) return "";
  return fmt::format("schedule  that of {} now, not of {}: the learning rate goes on with {:.2g} instead of {:.2g}",
                     tool::counted(now.steps, "step"), tool::grouped(before.steps), rate, old_rate);
}

Prepared prepare_resumed(const TrainOptions& options) {
  const tool::RunFolder folder(options.resume);
  folder.require_run();
  tool::FolderLock lock(folder.path());  // before the checkpoint is read, which another process may replace
  auto [config, tokenizer] = tool::load_saved_run(folder);
  const int64_t eval_every = config.reporting.eval_every;
  const tool::Recipe before = config.recipe;
  options.apply_to(config);
  require_other_file(folder, config.text.path);
  if (config.recipe.schedule == tool::ScheduleKind::Plateau && config.reporting.eval_every != eval_every) {
    throw Error("--eval-every can not be changed with --resume: the plateau schedule listens to the validation loss");
  }
  const std::u32string text = tool::read_text(config.text.path);
  if (tool::fingerprint(text) != config.text.fingerprint) {
    throw Error(tape::str(config.text.path, " is not the text that this run began with: give that one with ",
                          tool::learns_pairs(config.architecture) ? "--pairs" : "--text"));
  }
  if (!(tokenizer == tool::tokenizer_of(text, config.architecture))) {
    throw Error(tape::str(folder.tokenizer(), " does not belong to ", config.text.path));
  }
  auto trainer = std::make_unique<tool::Trainer>(config, corpus_of(text, tokenizer, config));
  if (!std::filesystem::exists(folder.checkpoint())) {
    throw Error(tape::str("there is nothing to continue in ", options.resume, ": ", folder.checkpoint(),
                          " is missing; start anew with --out ", quoted(options.resume), " --force"));
  }
  trainer->load(folder.checkpoint());
  if (trainer->steps() > config.recipe.steps) {
    throw Error(tape::str("the run in ", options.resume, " has already done ", trainer->steps(), " steps: --steps ",
                          config.recipe.steps, " is too few"));
  }
  folder.create();
  tool::save_config(folder.config(), config);
  std::string rescheduled = change_of_schedule(before, config.recipe, trainer->steps());
  return {folder, std::move(lock), tokenizer, std::move(trainer), std::move(rescheduled)};
}

// What a model can do.
const char* invitation_of(tape::nn::Architecture architecture) {
  switch (architecture) {
    case tape::nn::Architecture::EncoderOnly:
      return "let it fill in";
    case tape::nn::Architecture::EncoderDecoder:
      return "let it answer";
    default:
      return "let it write";
  }
}

// What to say, and the exit code, when the run is over.
int conclude(const Prepared& run, const std::string& program, const tool::RunResult& result) {
  const std::string folder = quoted(run.folder.path());
  const int64_t steps = run.trainer->steps();
  switch (result.end) {
    case tool::RunResult::End::diverged: {
      const bool in_loss = !std::isfinite(result.last.loss);
      const tool::NonFinite& first = result.first_non_finite;
      throw Error(
          fmt::format("training stopped at step {}: the {} is not a finite number (learning rate {:.2g}){}; try a "
                      "smaller --lr or a "
                      "longer --warmup; {} shows how it went{}",
                      steps + 1, in_loss ? "loss" : "gradient", result.last.rate,
                      first ? ", and the first numbers that are not finite are " + describe(first) : "",
                      run.folder.metrics(), first ? "" : ", and --watch would show in which layer it began"));
    }
    case tool::RunResult::End::interrupted:
      tool::say(fmt::format("stopped   after step {} of {}, all is saved; go on with:", tool::grouped(steps),
                            tool::grouped(run.trainer->config().recipe.steps)));
      tool::say(fmt::format("  {} train --resume {}", quoted(program), folder));
      return exit_interrupted;
    case tool::RunResult::End::finished:
      break;
  }
  const auto architecture = run.trainer->config().architecture;
  tool::say(fmt::format("finished  {} in {}; validation loss {:.4f} ({:.2f} bits per {})", tool::counted(steps, "step"),
                        tool::clock_time(result.seconds), result.validation_loss,
                        result.validation_loss / std::numbers::ln2, target_of(architecture)));
  tool::say(fmt::format("{}:\n  {} sample --model {} {}", invitation_of(architecture), quoted(program), folder,
                        sample_options(*run.trainer, run.tokenizer)));
  return 0;
}

// The page of a run that was watched. A run is worth more than its page: that it can not be written is a remark.
void leave_page(const tool::RunFolder& folder) {
  namespace report = tape::report;
  try {
    const auto language = tape::lab::Language::both;
    const std::vector<report::Section> sections = report::sections_of(report::load_runs({folder.path()}), language);
    tape::atomic_write_file(folder.report(), report::page(sections, language));
    tool::say("page      " + folder.report());
  } catch (const Error& error) {
    tool::say(std::string("page      could not be written: ") + error.what());
  }
}

// Serves the page of a run, if that is asked for.
class Live {
 public:
  explicit Live(const TrainOptions& options)
      : run_(options.resume.empty() ? options.out : options.resume, tape::lab::Language::both) {
    if (options.serve < 0) return;
    server_.emplace(options.serve_address, options.serve, run_.content());
    const std::string& address = options.serve_address;
    open_ = !address.starts_with("127.") && address != "::1" && address != "localhost";
  }
  void introduce() const {
    if (!server_) return;
    tool::say("page      " + server_->url());
    if (open_) tool::say("warning   there is no password: who reaches this address can read the page");
  }

 private:
  tape::report::LiveRun run_;
  std::optional<tape::report::PageServer> server_;
  bool open_ = false;  // to other machines
};

// Trains, and says in what else ends it how the run can go on.
tool::RunResult run_to_its_end(const Prepared& run, const tool::Interrupt& interrupt, const std::string& program) {
  try {
    return tool::run_training(*run.trainer, run.folder, interrupt);
  } catch (const Error& error) {
    if (!run.folder.can_continue()) throw;
    throw Error(tape::str(error.what(), "; once that is mended, ", quoted(program), " train --resume ",
                          quoted(run.folder.path()), " goes on from the last checkpoint"));
  }
}

int train(const TrainOptions& options, const std::string& program) {
  const tool::Interrupt interrupt("stopping  after this batch, and saving; Ctrl-C again stops at once, without");
  tool::go_on_without_output("training goes on, its numbers are in metrics.jsonl");
  const Live live(options);  // before the run is prepared: its port may be taken
  const Prepared run = options.resume.empty() ? prepare_new(options) : prepare_resumed(options);
  const int64_t steps = run.trainer->config().recipe.steps;
  if (run.trainer->steps() == steps) {
    if (!std::filesystem::exists(run.folder.model())) tool::save_model(*run.trainer, run.folder);
    tool::say(fmt::format("the run in {} is complete, all {} steps are done; --steps can make it longer",
                          run.folder.path(), tool::grouped(steps)));
    return 0;
  }
  introduce(run);
  if (run.trainer->steps() > 0) tool::say(fmt::format("resuming  after step {}", tool::grouped(run.trainer->steps())));
  if (!run.rescheduled.empty()) tool::say(run.rescheduled);
  live.introduce();
  const tool::RunResult result = run_to_its_end(run, interrupt, program);
  if (run.trainer->config().reporting.watch_every > 0) leave_page(run.folder);
  return conclude(run, program, result);
}

}  // namespace

void add_train(CLI::App& app, const std::string& program, int& exit_code) {
  add_train_options(app, [=, &exit_code](const TrainOptions& options) { exit_code = train(options, program); });
}

}  // namespace tapeformer
