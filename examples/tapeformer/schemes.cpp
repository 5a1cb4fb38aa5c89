// tapeformer schemes: the table of residual schemes, with the numbers that they have at a given depth.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <tape/nn/scheme.h>

#include "commands.h"

namespace tapeformer {

namespace {

namespace nn = tape::nn;

struct Options {
  std::string name;
  int64_t layers = 12;
  int64_t decoder_layers = 0;
};

struct Case {
  const char* title;
  nn::Depth depth;
};

std::vector<Case> cases(const Options& o) {
  const int64_t n = o.layers;
  const int64_t m = o.decoder_layers > 0 ? o.decoder_layers : n;
  return {{"encoder-only", nn::Depth::encoder_only(n)},
          {"decoder-only", nn::Depth::decoder_only(n)},
          {"encoder beside a decoder", nn::Depth::encoder_of(n, m)},
          {"decoder beside an encoder", nn::Depth::decoder_of(n, m)}};
}

void print_overview(const Options& o) {
  fmt::print("{:<18}{:<62}{:>7}\n", "scheme", "one residual step", "norms");
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    fmt::print("{:<18}{:<62}{:>7}\n", row.name, row.formula,
               nn::norm_count(row.scheme, nn::Depth::decoder_only(o.layers)));
  }
  fmt::print(
      "\nnorms: how many a decoder-only model of {} layers computes, the final one included. f is attention or\n"
      "feed-forward. tapeformer schemes NAME tells more about one of them.\n",
      o.layers);
}

// For DeepNorm the figures as the paper's table rounds their factors, 0.81 and 0.87, for the encoder beside a decoder.
std::string rounded(const nn::SchemeInfo& row, const nn::Depth& d) {
  if (row.scheme != nn::Scheme::DeepNorm || d.architecture != nn::Architecture::EncoderDecoder || d.is_decoder)
    return "";
  const double root = nn::scheme_constants(row.scheme, d).alpha * std::pow(27.0, 1.0 / 16);
  return fmt::format("   (with the paper's 0.81 and 0.87: α = {:.6f}, β = {:.6f})", 0.81 * root, 0.87 / root);
}

void print_details(const Options& o) {
  const nn::SchemeInfo& row = nn::scheme_info(nn::scheme(o.name));
  const auto line = [](const char* what, std::string_view text) {
    if (!text.empty()) fmt::print("{:<14}{}\n", what, text);
  };
  fmt::print("{} ({})\n\n", row.title, row.name);
  line("step", row.formula);
  line("constants", row.constants);
  line("first values", row.xavier ? "Xavier normal, times β where there is one"
                                  : "those of GPT-2: normal 0.02, 1/√(2L) on what writes to the stream");
  line("final norm", row.final_norm ? "yes" : "no");
  line("first norm", row.embedding_norm ? "a norm of the embedding" : "");
  line("source", row.source);
  line("choices here", row.choice);
  fmt::print("\n{:<28}{:>8}{:>12}{:>12}{:>8}\n", "", "layers", "α", "β", "norms");
  for (const Case& c : cases(o)) {
    const nn::SchemeConstants k = nn::scheme_constants(row.scheme, c.depth);
    fmt::print("{:<28}{:>8}{:>12.6f}{:>12.6f}{:>8}{}\n", c.title, c.depth.layers(), k.alpha, k.beta,
               nn::norm_count(row.scheme, c.depth), rounded(row, c.depth));
  }
}

}  // namespace

void add_schemes(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("schemes", "Print the table of residual schemes: where the norm sits");
  command->add_option("name", options->name, "Tell more about this one")->type_name("NAME");
  command->add_option("--layers", options->layers, "Blocks, in an encoder-decoder model those of the encoder")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--decoder-layers", options->decoder_layers, "Blocks of the decoder [as --layers]")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}));
  command->footer(
      "Examples:\n"
      "  tapeformer schemes\n"
      "  tapeformer schemes deepnorm --layers 18\n"
      "  tapeformer schemes admin --layers 6 --decoder-layers 12");
  command->callback([options] {
    if (options->name.empty()) {
      print_overview(*options);
    } else {
      print_details(*options);
    }
  });
}

}  // namespace tapeformer
