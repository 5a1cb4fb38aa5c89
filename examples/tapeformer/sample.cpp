// tapeformer sample: what a trained model writes: a text that goes on, gaps filled in, or a target for a source.
#include <string_view>

#include <tape/examples/support/model.h>
#include <tape/examples/support/sampling.h>
#include <tape/examples/support/saved_run.h>
#include <tape/examples/support/screen.h>
#include <tape/examples/support/text.h>

#include "commands.h"

namespace tapeformer {

namespace {

namespace tool = tape::tool;

struct Options {
  std::string model;
  std::string prompt;
  std::string mask = "_";
  tool::SampleOptions sampling;
};

// At once, so that the text can be watched as it grows; there is nothing to go on for when nobody can read it.
void put(std::string_view text) {
  tool::show(text);
  tool::require_shown();
}

void go_on(const tool::TrainedModel& trained, std::vector<int32_t> tokens, const Options& options) {
  put(options.prompt);
  if (tokens.empty()) tokens.push_back(0);  // something to begin with: the smallest character, most often a line end
  tool::generate(trained.model.as<tape::nn::GPT>(), tokens, options.sampling,
                 [&](int32_t token) { put(trained.run.tokenizer.decode(token)); });
}

void fill_in(const tool::TrainedModel& trained, const std::u32string& prompt, const Options& options) {
  const std::u32string mask = tool::decode_utf8(options.mask, "--mask");
  if (mask.size() != 1) throw tape::Error(tape::str("--mask must be one character, it has ", mask.size()));
  if (prompt.find(mask) == std::u32string::npos)
    throw tape::Error(tape::str("--prompt has no ", tool::character_name(mask[0]), ", which marks what to fill in"));
  const tool::CharTokenizer::Special gap{mask[0], tool::mask_token(trained.run.config.model.vocab)};
  const std::vector<int32_t> tokens = trained.run.tokenizer.encode(prompt, "--prompt", gap);
  put(trained.run.tokenizer.decode(tool::fill_masks(trained.model.as<tape::nn::Bert>(), tokens, options.sampling)));
}

// Options that were given, of those that do not go with every architecture.
struct Given {
  bool mask, tokens;
};

// The most likely character leaves nothing to choose or to draw.
void refuse_idle(const CLI::App& command, const Options& options) {
  const bool draws = options.sampling.temperature != 0;
  refuse_unused(command, {{"--top-k", draws, "--temperature above 0"}, {"--seed", draws, "--temperature above 0"}});
}

int sample(const Options& options, const Given& given) {
  const std::u32string prompt = tool::decode_utf8(options.prompt, "--prompt");
  const tool::TrainedModel trained = tool::load_trained_model(tool::RunFolder(options.model));
  const auto architecture = trained.run.config.architecture;
  const bool fills_in = architecture == tape::nn::Architecture::EncoderOnly;
  if (given.mask && !fills_in)
    throw tape::Error(tape::str("--mask is for a bert: the model in ", options.model, " is of architecture ",
                                tool::name_of(architecture)));
  if (given.tokens && fills_in)
    throw tape::Error(tape::str("--tokens is not for a bert, as in ", options.model,
                                ": it fills in as many characters as --prompt has gaps"));
  switch (architecture) {
    case tape::nn::Architecture::DecoderOnly:
      go_on(trained, trained.run.tokenizer.encode(prompt, "--prompt"), options);
      break;
    case tape::nn::Architecture::EncoderOnly:
      fill_in(trained, prompt, options);
      break;
    case tape::nn::Architecture::EncoderDecoder:
      tool::translate(trained.model.as<tape::nn::EncoderDecoder>(), trained.run.tokenizer.encode(prompt, "--prompt"),
                      options.sampling, [&](int32_t token) { put(trained.run.tokenizer.decode(token)); });
      break;
  }
  put("\n");
  return 0;
}

}  // namespace

void add_sample(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("sample", "Let a trained model write: go on, fill in or translate");
  command->add_option("--model", options->model, "Folder of a run, as --out of train")->required()->type_name("DIR");
  command->add_option("--prompt", options->prompt, "Text to begin with; for a bert with gaps; for encdec the source")
      ->type_name("TEXT");
  command->add_option("--mask", options->mask, "Character that marks a gap, for a bert")->capture_default_str();
  add_number(*command, "--tokens", options->sampling.tokens, "Characters to add, for encdec at most; not for a bert");
  command
      ->add_option("--temperature", options->sampling.temperature,
                   "Below 1 careful, above 1 daring; 0 takes the most likely character")
      ->capture_default_str();
  add_number(*command, "--top-k", options->sampling.top_k, "Choose among the K most likely characters; 0: all")
      ->type_name("K");
  add_number(*command, "--seed", options->sampling.seed.value, "Another number gives another text");
  add_threads(*command);
  command->footer(
      "Examples:\n"
      "  tapeformer sample --model runs/book --prompt \"In the beginning\"\n"
      "  tapeformer sample --model runs/book --tokens 2000 --temperature 0.7 --top-k 20 --seed 7 > new-book.txt\n"
      "  tapeformer sample --model runs/bert --prompt \"In the b_ginn_ng\" --temperature 0\n"
      "  tapeformer sample --model runs/en-es --prompt \"And God said\" --temperature 0");
  command->callback([command, options, &exit_code] {
    const auto given = [command](const char* name) { return command->get_option(name)->count() > 0; };
    refuse_idle(*command, *options);
    as_usage(*command, [&] { tool::check(options->sampling); });
    exit_code = sample(*options, {.mask = given("--mask"), .tokens = given("--tokens")});
  });
}

}  // namespace tapeformer
