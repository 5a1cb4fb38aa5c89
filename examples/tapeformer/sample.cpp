// tapeformer sample: text from a trained model.
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

#include <tape/examples/support/config.h>
#include <tape/examples/support/run_folder.h>
#include <tape/examples/support/sampling.h>
#include <tape/examples/support/text.h>
#include <tape/examples/support/tokenizer.h>

#include "commands.h"

namespace tapeformer {

namespace {

namespace tool = tape::tool;

struct Options {
  std::string model;
  std::string prompt;
  tool::SampleOptions sampling;
};

// At once, so that the text can be watched as it grows.
void put(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw tape::Error("can not write to standard output: " + std::generic_category().message(errno));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

int sample(const Options& options) {
  tool::check(options.sampling);
  const tool::RunFolder folder(options.model);
  const tool::RunConfig config = tool::load_config(folder.config());
  const tool::CharTokenizer tokenizer = tool::CharTokenizer::load(folder.tokenizer());
  if (tokenizer.size() != config.model.vocab) {
    throw tape::Error(tape::str(folder.tokenizer(), " has ", tokenizer.size(), " characters, but ", folder.config(),
                                " says ", config.model.vocab, ": the files are not of the same run"));
  }
  std::vector<int32_t> tokens = tokenizer.encode(tool::decode_utf8(options.prompt, "--prompt"), "--prompt");
  const tape::nn::GPT model(config.model, tape::Seed{});
  tape::nn::load(folder.model(), model);

  put(options.prompt);
  if (tokens.empty()) tokens.push_back(0);  // something to begin with: the smallest character, most often a line end
  tool::generate(model, tokens, options.sampling, [&](int32_t token) { put(tokenizer.decode(token)); });
  put("\n");
  return 0;
}

}  // namespace

void add_sample(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("sample", "Continue a prompt with a trained model");
  command->add_option("--model", options->model, "Folder of a run, as --out of train")->required()->type_name("DIR");
  command->add_option("--prompt", options->prompt, "Text to begin with")->type_name("TEXT");
  command->add_option("--tokens", options->sampling.tokens, "Characters to add")->capture_default_str();
  command
      ->add_option("--temperature", options->sampling.temperature,
                   "Below 1 careful, above 1 daring; 0 takes the most likely character")
      ->capture_default_str();
  command->add_option("--top-k", options->sampling.top_k, "Choose among the K most likely characters; 0: all")
      ->type_name("K")
      ->capture_default_str();
  command->add_option("--seed", options->sampling.seed.value, "Another number gives another text")
      ->capture_default_str();
  add_threads(*command);
  command->footer(
      "Examples:\n"
      "  tapeformer sample --model runs/book --prompt \"In the beginning\"\n"
      "  tapeformer sample --model runs/book --tokens 2000 --temperature 0.7 --top-k 20 --seed 7 > new-book.txt");
  command->callback([options, &exit_code] { exit_code = sample(*options); });
}

}  // namespace tapeformer
