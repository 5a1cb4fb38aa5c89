#include "train_options.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string_view>

#include "commands.h"
#include "model_options.h"

namespace tapeformer {

namespace {

namespace nn = tape::nn;
namespace tool = tape::tool;

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
  add_number(command, "--batch", r.batch, "Pieces of text, each --context long, or pairs, in a batch");
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
  add_choice(command, "--precision", r.precision, tape::precision,
             "Of matrix products: f32, bf16 (needs AVX-512) or\nbf16-emulated, the same numbers on any "
             "processor, slower");
  add_number(command, "--seed", r.seed, "Number that first values, batches and dropout follow from");
}

void add_reporting_options(CLI::App& command, tool::RunConfig& config) {
  command.option_defaults()->group("Reports");
  add_number(command, "--log-every", config.reporting.log_every, "Steps from line to line of metrics.jsonl");
  add_number(command, "--eval-every", config.reporting.eval_every, "Steps from validation to validation");
  add_number(command, "--save-every", config.reporting.save_every, "Steps from checkpoint to checkpoint");
  add_number(command, "--eval-windows", config.recipe.validation_windows,
             "Validate on at most so many pieces of text, or pairs");
  add_threads(command);
}

void add_watch_options(CLI::App& command, TrainOptions& options) {
  command.option_defaults()->group("Watching");
  command
      .add_option_function<std::string>(
          "--watch", [&options](const std::string& every) { options.watch = every; },
          "Record what goes on in each layer, every EVERY steps\n[200 times in the run]; 0: no more")
      ->expected(0, 1)
      ->type_name("EVERY");
  add_whole(command, "--serve", options.serve,
            "Serve a page of the run that a browser can follow; 0: on\na free port. Implies --watch")
      ->type_name("PORT")
      ->check(from_to(0, 65535));
  command
      .add_option("--serve-address", options.serve_address,
                  "Address to serve it on; others can read it on any but this")
      ->type_name("ADDRESS")
      ->capture_default_str();
}

// How many steps lie between two records: enough for a picture, so few that they cost little.
int64_t usual_watch_every(int64_t steps) {
  constexpr int64_t records = 200;
  return std::max<int64_t>(1, (steps + records - 1) / records);
}

// What --watch and --serve ask for, for a run of so many steps.
void settle_watching(const TrainOptions& options, tool::RunConfig& config) {
  if (options.watch && !options.watch->empty()) {
    config.reporting.watch_every = std::stoll(*options.watch);
  } else if (options.watch || (options.serve >= 0 && config.reporting.watch_every == 0)) {
    config.reporting.watch_every = usual_watch_every(config.recipe.steps);
  }
}

void check_watching(const CLI::App& command, const TrainOptions& options) {
  if (options.watch) {
    const std::string& every = *options.watch;
    const bool number = every.size() <= 9 && std::ranges::all_of(every, [](char c) { return c >= '0' && c <= '9'; });
    if (!number) throw CLI::ValidationError("--watch: EVERY must be a number of steps, it is " + every);
    if (!every.empty() && std::stoll(every) == 0 && options.serve >= 0)
      throw CLI::ValidationError("--watch 0 and --serve exclude each other: the page shows what is watched");
  }
  if (command.get_option("--serve-address")->count() > 0 && options.serve < 0)
    throw CLI::ValidationError("--serve-address would change nothing here: it is for --serve");
}

// A run goes on with the settings it began with: options that would change them are refused.
void settle_resumed(const CLI::App& command, TrainOptions& options) {
  static constexpr std::array<std::string_view, 11> allowed{"resume",    "text",       "pairs",        "steps",
                                                            "log-every", "eval-every", "save-every",   "threads",
                                                            "watch",     "serve",      "serve-address"};
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_single_name();
    if (option->count() > 0 && std::ranges::find(allowed, name) == allowed.end()) {
      throw CLI::ValidationError("--" + name +
                                 " can not be given with --resume: the run goes on with its own settings");
    }
  }
  if (options.resume.empty()) throw CLI::ValidationError("--resume must not be empty");
  tool::RunConfig numbers = options.config;  // those that are given, in a run that has no others
  numbers.recipe.warmup = 0;
  as_usage(command, [&] { tool::check(numbers); });
  const auto given = [&command](const char* name) { return command.get_option(name)->count() > 0; };
  if (given("--text")) options.text = options.config.text.path;
  if (given("--pairs")) options.pairs = options.config.text.path;
  if (given("--steps")) options.steps = options.config.recipe.steps;
  if (given("--log-every")) options.log_every = options.config.reporting.log_every;
  if (given("--eval-every")) options.eval_every = options.config.reporting.eval_every;
  if (given("--save-every")) options.save_every = options.config.reporting.save_every;
}

// Options that ask for another model than the scheme has.
void refuse_contradictions(const CLI::App& command, const nn::ModelConfig& m) {
  const auto given = [&command](const char* name) { return command.get_option(name)->count() > 0; };
  const nn::Slots slots = nn::plan(m.scheme, nn::Depth::decoder_only(1), 0, nn::Sublayer::SelfAttention);
  if (given("--qk-norm") && slots.norm_query_key != nn::QKNorm::None && slots.norm_query_key != m.qk_norm) {
    throw CLI::ValidationError(tape::str("--qk-norm ", name_of(m.qk_norm), " contradicts --scheme ", name_of(m.scheme),
                                         ", whose norm of queries and keys is ", name_of(slots.norm_query_key),
                                         ": leave it out or choose another scheme"));
  }
  if (slots.gain_only && m.norm.bias.value_or(false)) {
    throw CLI::ValidationError(tape::str("--norm-bias true contradicts --scheme ", name_of(m.scheme),
                                         ", whose norms have a gain only: leave it out or choose another scheme"));
  }
}

// Combinations that no model can have, by the options that ask for them: those without which it would be none.
void refuse_combinations(const nn::ModelConfig& m) {
  const nn::Refusal* const refusal = nn::refusal_of(m);
  if (!refusal) return;
  struct Part {
    std::string option;
    void (*leave_out)(nn::ModelConfig& m);
  };
  const Part parts[] = {
      {tape::str("--scheme ", name_of(m.scheme)), [](nn::ModelConfig& c) { c.scheme = nn::ModelConfig().scheme; }},
      {tape::str("--norm ", name_of(m.norm.kind)), [](nn::ModelConfig& c) { c.norm = nn::ModelConfig().norm; }},
      {"--embedding-norm", [](nn::ModelConfig& c) { c.embedding_norm = false; }},
      {"--recompute", [](nn::ModelConfig& c) { c.recompute = false; }},
      {tape::str("--experts ", m.mixture.experts), [](nn::ModelConfig& c) { c.mixture.experts = 0; }}};
  std::string options;
  for (const Part& part : parts) {
    nn::ModelConfig without = m;
    part.leave_out(without);
    if (!nn::refusal_of(without)) options += (options.empty() ? "" : " and ") + part.option;
  }
  throw CLI::ValidationError(options + " do not go together: " + refusal->reason);
}

// Options that would change nothing beside the others are refused: who gives one expects something of it.
void refuse_idle(const CLI::App& command, const tool::RunConfig& config) {
  const nn::ModelConfig& m = config.model;
  const bool rotary = m.positions == nn::Positions::Rotary;
  const bool relative = m.positions == nn::Positions::RelativeBias;
  const bool has_eps = m.norm.kind != nn::NormKind::DyT && m.norm.kind != nn::NormKind::Derf;
  const tool::OptimizerKind optimizer = config.recipe.optimizer;
  const bool lion = optimizer == tool::OptimizerKind::Lion;
  const bool squares = optimizer != tool::OptimizerKind::SGD && optimizer != tool::OptimizerKind::Adafactor;
  const bool decays = optimizer == tool::OptimizerKind::AdamW || config.recipe.decay == tool::DecayKind::Independent;
  const bool normed = (m.scheme != nn::Scheme::ReZero && m.scheme != nn::Scheme::TFixup) ||
                      m.qk_norm != nn::QKNorm::None || m.embedding_norm;
  const char* const with_norms = "schemes other than rezero and t-fixup, which have no norms, and --qk-norm";
  refuse_unused(
      command,
      {{"--rotary-base", rotary, "--positions rotary"},
       {"--rotary-fraction", rotary, "--positions rotary"},
       {"--rotary-layout", rotary, "--positions rotary"},
       {"--relative-buckets", relative, "--positions relative"},
       {"--relative-max-distance", relative, "--positions relative"},
       {"--experts-per-token", m.mixture.experts > 0, "--experts"},
       {"--balance", m.mixture.experts > 0, "--experts"},
       {"--norm", normed, with_norms},
       {"--norm-eps", normed, with_norms},
       {"--norm-eps-place", normed, with_norms},
       {"--norm-bias", normed, with_norms},
       {"--no-norm-gain", normed, with_norms},
       {"--norm-unit-offset", normed, with_norms},
       {"--norm-partial", normed, with_norms},
       {"--norm-alpha", normed, with_norms},
       {"--norm-eps", has_eps, "--norm layer, rms and scale"},
       {"--embedding-norm", !nn::scheme_info(m.scheme).embedding_norm, "schemes other than peri, which has one"},
       {"--beta2", squares, "optimizers other than sgd and adafactor"},
       {"--eps", squares && !lion, "optimizers other than sgd, lion and adafactor"},
       {"--decay", decays, "--optimizer adamw"},
       {"--min-lr", tool::has_lowest_rate(config.recipe.schedule), "schedules that fall to a lowest rate"}});
}

void settle_new(const CLI::App& command, TrainOptions& options, const Dependent& dependent) {
  const auto given = [&command](const char* name) { return command.get_option(name)->count() > 0; };
  if (tool::learns_pairs(options.config.architecture)) {
    if (given("--text"))
      throw CLI::ValidationError(
          "--text is for gpt and bert: --arch encdec learns from --pairs FILE, in which each "
          "line is a source, a tab and its target");
    if (options.config.text.path.empty()) throw CLI::RequiredError("--pairs");
  } else {
    if (given("--pairs")) throw CLI::ValidationError("--pairs is for --arch encdec");
    if (given("--decoder-layers")) throw CLI::ValidationError("--decoder-layers is for --arch encdec");
    if (options.config.text.path.empty()) throw CLI::RequiredError("--text");
  }
  if (!given("--out")) options.out = "runs/" + std::filesystem::path(options.config.text.path).stem().string();
  if (options.out.empty()) throw CLI::ValidationError("--out must not be empty");
  const bool free = options.config.recipe.optimizer == tool::OptimizerKind::ScheduleFree;
  if (free && !given("--schedule")) options.config.recipe.schedule = tool::ScheduleKind::Constant;
  refuse_contradictions(command, options.config.model);
  refuse_idle(command, options.config);
  nn::MixtureConfig& mixture = options.config.model.mixture;
  if (given("--experts-per-token") && (mixture.per_token < 1 || mixture.per_token > mixture.experts)) {
    throw CLI::ValidationError(
        tape::str("--experts-per-token must be from 1 to --experts ", mixture.experts, ", it is ", mixture.per_token));
  }
  if (mixture.experts > 0 && !given("--experts-per-token")) mixture.per_token = std::min<int64_t>(2, mixture.experts);
  refuse_combinations(options.config.model);
  as_usage(command, [&] {
    dependent.settle(options.config.recipe);
    tool::check_settings(options.config);
  });
  settle_watching(options, options.config);
}

}  // namespace

void TrainOptions::apply_to(tool::RunConfig& c) const {
  const bool pairs_wanted = tool::learns_pairs(c.architecture);
  if (pairs_wanted ? text.has_value() : pairs.has_value()) {
    throw tape::Error(tape::str("the run in ", resume, " is of architecture ", tool::name_of(c.architecture),
                                ": where its file is now is said by ", pairs_wanted ? "--pairs" : "--text"));
  }
  for (const auto& path : {text, pairs}) {
    if (path) c.text.path = std::filesystem::absolute(*path).lexically_normal().string();
  }
  if (steps) c.recipe.steps = *steps;
  if (log_every) c.reporting.log_every = *log_every;
  if (eval_every) c.reporting.eval_every = *eval_every;
  if (save_every) c.reporting.save_every = *save_every;
  settle_watching(*this, c);
}

void add_train_options(CLI::App& app, const std::function<void(const TrainOptions&)>& run) {
  const auto options = std::make_shared<TrainOptions>();
  const auto dependent = std::make_shared<Dependent>();
  CLI::App* command = app.add_subcommand("train", "Train a model on a text, or on pairs of texts");
  command->option_defaults()->group("Input and output");
  command->add_option("--text", options->config.text.path, "Text to learn, UTF-8")->type_name("FILE");
  command
      ->add_option("--pairs", options->config.text.path,
                   "Pairs to learn, for --arch encdec: lines of source, tab, target")
      ->type_name("FILE");
  command->add_option("--out", options->out, "Folder for the results [runs/NAME of that file]")->type_name("DIR");
  command->add_flag("--force", options->force, "Replace the run that is in this folder");
  command->add_option("--resume", options->resume, "Continue the run in this folder")->type_name("DIR");
  add_model_options(*command, options->config);
  add_recipe_options(*command, options->config.recipe, *dependent);
  add_optimizer_options(*command, options->config.recipe, *dependent);
  add_reporting_options(*command, options->config);
  add_watch_options(*command, *options);
  command->footer(
      "The folder gets model.safetensors, config.json, tokenizer.json, metrics.jsonl (a line for each\n"
      "logged step) and checkpoint.safetensors. Ctrl-C saves and stops. --resume goes on and ends with\n"
      "the same model, bit for bit, as a run that was never stopped; with it, only --steps, --text or\n"
      "--pairs (when the file was moved), --threads and what to report can be given. With --watch it gets\n"
      "watch.jsonl and in the end report.html, too; that changes nothing about the model.\n"
      "\n"
      "Examples:\n"
      "  tapeformer train --text book.txt --out runs/book\n"
      "  tapeformer train --text book.txt --scheme deepnorm --layers 100 --width 32 --heads 2 --out runs/deep\n"
      "  tapeformer train --text book.txt --optimizer muon --ema 0.99 --out runs/muon\n"
      "  tapeformer train --text book.txt --scheme post --norm rms --warmup 200 --out runs/post\n"
      "  tapeformer train --text book.txt --arch bert --norm rms --positions rotary --out runs/bert\n"
      "  tapeformer train --pairs en-es.tsv --arch encdec --scheme deepnorm --context 128 --out runs/en-es\n"
      "  tapeformer train --text book.txt --serve 8000 --out runs/book      # and open http://127.0.0.1:8000/\n"
      "  tapeformer train --resume runs/book");
  command->callback([=] {
    check_watching(*command, *options);
    if (command->get_option("--resume")->count() > 0) {
      settle_resumed(*command, *options);
    } else {
      settle_new(*command, *options, *dependent);
    }
    run(*options);
  });
}

}  // namespace tapeformer
