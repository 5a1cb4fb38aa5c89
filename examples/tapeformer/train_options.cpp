#include "train_options.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string_view>

#include "commands.h"

namespace tapeformer {

namespace {

namespace nn = tape::nn;
namespace tool = tape::tool;

// An option whose value is one of a few names.
template <class Enum, class Parse>
CLI::Option* add_choice(CLI::App& command, const std::string& name, Enum& value, Parse parse,
                        const std::string& description) {
  const auto error_of = [parse](const std::string& given) -> std::string {
    try {
      parse(given);
      return {};
    } catch (const tape::Error& error) {
      return error.what();
    }
  };
  return command
      .add_option_function<std::string>(
          name, [&value, parse](const std::string& given) { value = parse(given); }, description)
      ->check(CLI::Validator(error_of, "", name))
      ->type_name("NAME")
      ->default_str(std::string(name_of(value)));
}

template <class Value>
CLI::Option* add_number(CLI::App& command, const std::string& name, Value& value, const std::string& description) {
  return command.add_option(name, value, description)->capture_default_str();
}

void add_model_options(CLI::App& command, nn::ModelConfig& m) {
  command.option_defaults()->group("Model");
  add_number(command, "--layers", m.layers, "Blocks of attention and feed-forward");
  add_number(command, "--heads", m.heads, "Attention heads of a block");
  add_number(command, "--kv-heads", m.kv_heads, "Heads of keys and values, shared by queries; 0: --heads");
  add_number(command, "--width", m.width, "Numbers for each character; a multiple of --heads");
  add_number(command, "--hidden", m.hidden, "Width inside feed-forward; 0: 4 x width (swiglu: 8/3 x)");
  add_number(command, "--context", m.context, "Characters that the model sees at once");
  add_choice(
      command, "--scheme", m.scheme, nn::scheme,
      "Where the norm sits: post, pre, deepnorm, sandwich, peri, sub-ln, admin,\nkeel, …; another name lists them all");
  add_choice(command, "--norm", m.norm.kind, nn::norm_kind, "Which norm: layer, rms, scale, dyt or derf");
  add_choice(command, "--activation", m.activation, nn::activation,
             "relu, squared_relu, gelu, gelu_tanh, silu, swiglu, geglu or reglu");
  add_choice(command, "--positions", m.positions, nn::positions,
             "learned, sinusoidal, rotary, alibi, relative or none");
  add_number(command, "--window", m.window, "Positions that attention sees; 0: all");
  add_number(command, "--softcap", m.softcap, "Bound of attention's scores; 0: none");
  add_choice(command, "--qk-norm", m.qk_norm, nn::qk_norm, "Norm of queries and keys: none, head or full");
  command.add_flag_function(
      "--untied", [&m](int64_t) { m.tied = false; }, "Give the head a weight of its own, not the embedding's");
  add_number(command, "--dropout", m.dropout, "Share of activations dropped in training");
  command.add_flag("--recompute", m.recompute, "Compute blocks again in backward: less memory, more time");
}

// The options whose defaults follow from others.
struct Dependent {
  std::optional<double> lr, min_lr, beta1, beta2, eps, weight_decay;
  std::optional<std::string> warmup;

  void settle(tool::Recipe& r) const {
    const tool::OptimizerDefaults defaults = defaults_of(r.optimizer, r.decay);
    r.lr = lr.value_or(defaults.lr);
    r.beta1 = beta1.value_or(defaults.beta1);
    r.beta2 = beta2.value_or(defaults.beta2);
    r.eps = eps.value_or(defaults.eps);
    r.weight_decay = weight_decay.value_or(defaults.weight_decay);
    r.min_lr = min_lr.value_or(tool::default_min_lr(r));
    r.warmup = warmup ? tool::warmup_steps(*warmup, r) : tool::default_warmup(r);
  }
};

// The defaults of those in brackets depend on the optimizer, see recipe_optimizer.cpp.
void add_optimizer_options(CLI::App& command, tool::Recipe& r, Dependent& dependent) {
  command.option_defaults()->group("Optimizer");
  add_choice(command, "--optimizer", r.optimizer, tool::optimizer_kind,
             "sgd, adam, adamw, radam, nadam, lion, adafactor, muon,\nschedule-free or lamb");
  command.add_option("--lr", dependent.lr, "Highest learning rate [0.001 for adam and its kin]");
  command.add_option("--beta1", dependent.beta1, "Decay of the average of gradients, momentum [0.9; muon 0.95]");
  command.add_option("--beta2", dependent.beta2, "Decay of the average of squared gradients [0.99; muon 0.95]");
  command.add_option("--eps", dependent.eps, "Added to the root of that average [1e-8; lamb 1e-6]");
  command.add_option("--weight-decay", dependent.weight_decay,
                     "Pull of weight matrices to zero [0.1; adam and sgd 0, lion 0.3,\n"
                     "muon 0.01, independent 0.0001]");
  add_choice(command, "--decay", r.decay, tool::decay_kind,
             "What adamw's pull is multiplied with: coupled, the rate;\nindependent, the share of its peak");
  command.add_flag_function(
      "--no-bias-correction", [&r](int64_t) { r.bias_correction = false; },
      "adam and adamw as BERT's: too large first steps");
  add_number(command, "--ema", r.ema,
             "Decay of an average of weights, which is then what is\nvalidated and saved; 0: none");
}

void add_recipe_options(CLI::App& command, tool::Recipe& r, Dependent& dependent) {
  command.option_defaults()->group("Training");
  add_number(command, "--steps", r.steps, "Updates of the weights");
  add_number(command, "--batch", r.batch, "Pieces of text, each --context long, in a batch");
  add_number(command, "--accumulate", r.accumulate, "Batches for each step");
  command.add_option("--min-lr", dependent.min_lr, "Lowest learning rate [lr/10; one_cycle: lr/250000]");
  add_choice(command, "--schedule", r.schedule, tool::schedule_kind,
             "constant, linear, cosine, cosine_restarts, inverse_sqrt, noam, step,\nexponential, polynomial, "
             "square_root, wsd, wsd_cosine, wsd_sqrt,\nwsd_exponential, one_cycle or plateau; see tapeformer "
             "schedule;\nwith schedule-free constant unless given");
  command
      .add_option("--warmup", dependent.warmup,
                  "Steps in which the rate rises, or untuned: 2/(1 - beta2)\n[100, or a tenth of --steps; one_cycle: "
                  "30 %]")
      ->type_name("INT");
  add_number(command, "--clip", r.clip, "Largest norm of the gradient; 0: any");
  add_number(command, "--seed", r.seed, "Number that first values, batches and dropout follow from");
}

void add_reporting_options(CLI::App& command, tool::RunConfig& config) {
  command.option_defaults()->group("Reports");
  add_number(command, "--log-every", config.reporting.log_every, "Steps from line to line of metrics.jsonl");
  add_number(command, "--eval-every", config.reporting.eval_every, "Steps from validation to validation");
  add_number(command, "--save-every", config.reporting.save_every, "Steps from checkpoint to checkpoint");
  add_number(command, "--eval-windows", config.recipe.validation_windows, "Validate on at most so many pieces of text");
  add_threads(command);
}

// A run goes on with the settings it began with: options that would change them are refused.
void settle_resumed(const CLI::App& command, TrainOptions& options) {
  static constexpr std::array<std::string_view, 7> allowed{"resume",     "text",       "steps",  "log-every",
                                                           "eval-every", "save-every", "threads"};
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_single_name();
    if (option->count() > 0 && std::ranges::find(allowed, name) == allowed.end()) {
      throw CLI::ValidationError("--" + name +
                                 " can not be given with --resume: the run goes on with its own settings");
    }
  }
  if (options.resume.empty()) throw CLI::ValidationError("--resume must not be empty");
  const auto given = [&command](const char* name) { return command.get_option(name)->count() > 0; };
  if (given("--text")) options.text = options.config.text.path;
  if (given("--steps")) options.steps = options.config.recipe.steps;
  if (given("--log-every")) options.log_every = options.config.reporting.log_every;
  if (given("--eval-every")) options.eval_every = options.config.reporting.eval_every;
  if (given("--save-every")) options.save_every = options.config.reporting.save_every;
}

void settle_new(const CLI::App& command, TrainOptions& options, const Dependent& dependent) {
  if (options.config.text.path.empty()) throw CLI::RequiredError("--text");
  if (command.get_option("--out")->count() == 0)
    options.out = "runs/" + std::filesystem::path(options.config.text.path).stem().string();
  if (options.out.empty()) throw CLI::ValidationError("--out must not be empty");
  dependent.settle(options.config.recipe);
  const bool free = options.config.recipe.optimizer == tool::OptimizerKind::ScheduleFree;
  if (free && command.get_option("--schedule")->count() == 0)
    options.config.recipe.schedule = tool::ScheduleKind::Constant;
}

}  // namespace

void TrainOptions::apply_to(tool::RunConfig& c) const {
  if (text) c.text.path = std::filesystem::absolute(*text).lexically_normal().string();
  if (steps) c.recipe.steps = *steps;
  if (log_every) c.reporting.log_every = *log_every;
  if (eval_every) c.reporting.eval_every = *eval_every;
  if (save_every) c.reporting.save_every = *save_every;
}

void add_train_options(CLI::App& app, const std::function<void(const TrainOptions&)>& run) {
  const auto options = std::make_shared<TrainOptions>();
  const auto dependent = std::make_shared<Dependent>();
  CLI::App* command = app.add_subcommand("train", "Train a model on a text");
  command->option_defaults()->group("Input and output");
  command->add_option("--text", options->config.text.path, "Text to learn, UTF-8")->type_name("FILE");
  command->add_option("--out", options->out, "Folder for the results [runs/NAME of the text]")->type_name("DIR");
  command->add_flag("--force", options->force, "Replace the run that is in this folder");
  command->add_option("--resume", options->resume, "Continue the run in this folder")->type_name("DIR");
  add_model_options(*command, options->config.model);
  add_recipe_options(*command, options->config.recipe, *dependent);
  add_optimizer_options(*command, options->config.recipe, *dependent);
  add_reporting_options(*command, options->config);
  command->footer(
      "The folder gets model.safetensors, config.json, tokenizer.json, metrics.jsonl (a line for each\n"
      "logged step) and checkpoint.safetensors. Ctrl-C saves and stops. --resume goes on and ends with\n"
      "the same model, bit for bit, as a run that was never stopped; with it, only --steps, --text (when\n"
      "the text was moved), --threads and how often to report can be given.\n"
      "\n"
      "Examples:\n"
      "  tapeformer train --text book.txt --out runs/book\n"
      "  tapeformer train --text book.txt --scheme deepnorm --layers 100 --width 32 --heads 2 --out runs/deep\n"
      "  tapeformer train --text book.txt --optimizer muon --ema 0.99 --out runs/muon\n"
      "  tapeformer train --text book.txt --scheme post --norm rms --warmup 200 --out runs/post\n"
      "  tapeformer train --resume runs/book");
  command->callback([=] {
    if (command->get_option("--resume")->count() > 0) {
      settle_resumed(*command, *options);
    } else {
      settle_new(*command, *options, *dependent);
    }
    run(*options);
  });
}

}  // namespace tapeformer
