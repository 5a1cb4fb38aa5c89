// tapeformer train: a model from a text, or from pairs of texts.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include <tape/core/atomic_file.h>
#include <tape/examples/report/live_run.h>
#include <tape/examples/report/page.h>
#include <tape/examples/support/numbers.h>
#include <tape/examples/support/screen.h>
#include <tape/examples/support/training_run.h>

#include "commands.h"
#include "prepared_run.h"
#include "suggestion.h"
#include "train_options.h"

namespace tapeformer {

namespace {

namespace tool = tape::tool;
using tape::Error;

// What the loss is counted for.
const char* target_of(tape::nn::Architecture architecture) {
  return architecture == tape::nn::Architecture::EncoderOnly ? "character asked for" : "character";
}

void introduce(const PreparedRun& run) {
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
    tool::say(fmt::format("          a mixture of {} in each layer, {} for each token",
                          tool::counted(m.mixture.experts, "expert"), m.mixture.per_token));
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
int conclude(const PreparedRun& run, const std::string& program, const tool::RunResult& result) {
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

// Trains. An error in between also says how to go on after it.
tool::RunResult train_prepared(const PreparedRun& run, const tool::Interrupt& interrupt, const std::string& program) {
  try {
    return tool::run_training(*run.trainer, run.folder, interrupt);
  } catch (const Error& error) {
    if (!run.folder.can_continue()) throw;
    throw Error(tape::str(error.what(), "; when its cause is removed, go on from the last checkpoint with: ",
                          quoted(program), " train --resume ", quoted(run.folder.path())));
  }
}

int train(const TrainOptions& options, const std::string& program) {
  tool::go_on_without_output("nothing else is affected, and the numbers are in metrics.jsonl");
  const tool::Interrupt interrupt(
      "stopping  after what is under way, with all saved; Ctrl-C again stops at once, without");
  const Live live(options);  // before the run is prepared: its port may be taken
  const std::optional<PreparedRun> prepared = prepare(options, interrupt);
  if (!prepared) {
    tool::say("stopped   before the run began, nothing was written");
    return exit_interrupted;
  }
  const PreparedRun& run = *prepared;
  const int64_t steps = run.trainer->config().recipe.steps;
  if (run.trainer->steps() == steps) {
    if (!run.folder.has_whole_model()) {
      tool::save_model(*run.trainer, run.folder);
      tool::say("model     written anew from the checkpoint");
    }
    tool::say(fmt::format("the run in {} is complete, all {} steps are done; --steps can make it longer",
                          run.folder.path(), tool::grouped(steps)));
    return 0;
  }
  introduce(run);
  if (run.trainer->steps() > 0) tool::say(fmt::format("resuming  after step {}", tool::grouped(run.trainer->steps())));
  if (!run.rescheduled.empty()) tool::say(run.rescheduled);
  live.introduce();
  const tool::RunResult result = train_prepared(run, interrupt, program);
  if (run.trainer->config().reporting.watch_every > 0) leave_page(run.folder);
  return conclude(run, program, result);
}

}  // namespace

void add_train(CLI::App& app, const std::string& program, int& exit_code) {
  add_train_options(app, [=, &exit_code](const TrainOptions& options) { exit_code = train(options, program); });
}

}  // namespace tapeformer
