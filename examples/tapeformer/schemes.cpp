// tapeformer schemes: the tables of residual schemes and norms, with the numbers that they have at a given depth, and
// the combinations that are refused.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <tape/core/error.h>
#include <tape/examples/support/screen.h>
#include <tape/nn/block.h>
#include <tape/nn/model_config.h>
#include <tape/nn/module.h>

#include "commands.h"

namespace tapeformer {

namespace {

namespace nn = tape::nn;
namespace tool = tape::tool;
using Json = nlohmann::ordered_json;

struct Options {
  const nn::SchemeInfo* row = nullptr;  ///< of the scheme to tell more about
  int64_t layers = 12;
  int64_t decoder_layers = 0;
  int64_t width = 128;
  nn::NormKind norm = nn::NormKind::Layer;
  bool json = false;
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

nn::ModelConfig config_of(nn::Scheme scheme, const Options& o) {
  return {.vocab = 1, .layers = o.layers, .heads = 4, .width = o.width, .scheme = scheme, .norm = o.norm};
}

bool is_refused(nn::Scheme scheme, const Options& o) {
  return nn::refusal_of(config_of(scheme, o)) != nullptr;
}

// What decides how many parameters a block has: its plan, whatever the factors in it.
using BlockKind = std::array<nn::Slots, 3>;

BlockKind kind_of_block(nn::Scheme scheme, const nn::Depth& depth, int64_t layer) {
  BlockKind kind;
  const nn::Sublayer sublayers[] = {nn::Sublayer::SelfAttention, nn::Sublayer::CrossAttention,
                                    nn::Sublayer::FeedForward};
  for (std::size_t i = 0; i < kind.size(); ++i) {
    kind[i] = nn::plan(scheme, depth, layer, sublayers[i]);
    kind[i].input_scale = kind[i].skip = kind[i].branch = kind[i].skip_gain.start = kind[i].branch_gain.start = 1;
  }
  return kind;
}

// Parameters of norms and learned gains: those of the blocks, less those of as many without any, and of the norms
// before and after them. Of blocks of one kind only the first is built: a thousand of them need not fit into memory.
int64_t added_parameters(const nn::SchemeInfo& row, const Options& o, const nn::Depth& depth) {
  const auto count = [&](nn::Scheme scheme, int64_t layer) {
    return nn::count_parameters(nn::Block(config_of(scheme, o), depth, layer, ""));
  };
  const int64_t plain = count(nn::Scheme::TFixup, 0);
  const int64_t of_norm = nn::count_parameters(nn::Norm(o.norm, o.width));
  std::vector<std::pair<BlockKind, int64_t>> known;
  int64_t sum = ((row.embedding_norm ? 1 : 0) + (row.final_norm ? 1 : 0)) * of_norm;
  for (int64_t layer = 0; layer < depth.layers(); ++layer) {
    const BlockKind kind = kind_of_block(row.scheme, depth, layer);
    auto found = std::ranges::find(known, kind, &std::pair<BlockKind, int64_t>::first);
    if (found == known.end()) found = known.insert(found, {kind, count(row.scheme, layer) - plain});
    sum += found->second;
  }
  return sum;
}

std::string added_text(const nn::SchemeInfo& row, const Options& o, const nn::Depth& depth) {
  return is_refused(row.scheme, o) ? "refused" : fmt::format("{}", added_parameters(row, o, depth));
}

std::string first_values(const nn::SchemeInfo& row) {
  if (row.xavier) return "Xavier normal, times β where there is one";
  const nn::WeightInit init = nn::scheme_init(row.scheme, nn::Depth::decoder_only(2), nn::Sublayer::FeedForward);
  return init.down == 1 ? "normal 0.02" : "those of GPT-2: normal 0.02, 1/√(2L) on what writes to the stream";
}

bool has_constants(const nn::SchemeInfo& row) {
  return row.constants != "none";
}

void print_overview(const Options& o) {
  const nn::Depth depth = nn::Depth::decoder_only(o.layers);
  const auto line = [](const char* what, std::string_view text) {
    tool::show(fmt::format("{:<18}{:<12}{}\n", "", what, text));
  };
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    tool::show(fmt::format("{:<18}{}\n", row.name, row.formula));
    if (has_constants(row)) line("constants", row.constants);
    line("norms",
         fmt::format("{} in a block, {} in all; parameters {}", nn::norms_in_block(row.scheme, depth, o.layers - 1),
                     nn::norm_count(row.scheme, depth), added_text(row, o, depth)));
    line("source", row.source);
  }
  tool::show(fmt::format(
      "\nf is attention or feed-forward. Counted are a decoder-only model of {} layers and width {}, its final norm\n"
      "included, and the parameters of its norms ({}) and learned gains. tapeformer schemes NAME tells more.\n",
      o.layers, o.width, name_of(o.norm)));
  tool::show(fmt::format("\n{:<18}{:<50}unchanged by\n", "norm", "formula"));
  for (const nn::NormInfo& row : nn::norm_table()) {
    tool::show(fmt::format("{:<18}{:<50}{}\n", row.name, row.formula, row.invariant));
    line("source", row.source);
  }
  tool::show(fmt::format("\nAny scheme goes with any norm in any architecture, but for these:\n"));
  for (const nn::Refusal& refusal : nn::refusal_table()) {
    tool::show(fmt::format("- {}: {}\n", refusal.combination, refusal.reason));
  }
}

// For DeepNorm the figures as the paper's table rounds their factors, 0.81 and 0.87, for the encoder beside a decoder.
std::string rounded(const nn::SchemeInfo& row, const nn::Depth& d) {
  if (row.scheme != nn::Scheme::DeepNorm || d.architecture != nn::Architecture::EncoderDecoder || d.is_decoder)
    return "";
  const double root = nn::scheme_constants(row.scheme, d).alpha * std::pow(27.0, 1.0 / 16);
  return fmt::format("   (with the paper's 0.81 and 0.87: α = {:.6f}, β = {:.6f})", 0.81 * root, 0.87 / root);
}

void print_details(const Options& o, const nn::SchemeInfo& row) {
  const auto line = [](const char* what, std::string_view text) {
    if (!text.empty()) tool::show(fmt::format("{:<14}{}\n", what, text));
  };
  tool::show(fmt::format("{} ({})\n\n", row.title, row.name));
  line("step", row.formula);
  line("constants", row.constants);
  line("first values", first_values(row));
  line("final norm", row.final_norm ? "yes" : "no");
  line("first norm", row.embedding_norm ? "a norm of the embedding" : "");
  line("source", row.source);
  line("choices here", row.choice);
  tool::show(fmt::format("\n{:<28}{:>8}{:>12}{:>12}{:>8}{:>12}\n", "", "layers", "α", "β", "norms", "parameters"));
  for (const Case& c : cases(o)) {
    const nn::SchemeConstants k = nn::scheme_constants(row.scheme, c.depth);
    tool::show(fmt::format("{:<28}{:>8}{:>12.6f}{:>12.6f}{:>8}{:>12}{}\n", c.title, c.depth.layers(), k.alpha, k.beta,
                           nn::norm_count(row.scheme, c.depth), added_text(row, o, c.depth), rounded(row, c.depth)));
  }
  tool::show(
      fmt::format("\nparameters: those of norms ({}) and learned gains at width {}\n", name_of(o.norm), o.width));
  if (const nn::Refusal* refusal = nn::refusal_of(config_of(row.scheme, o)))
    tool::show(fmt::format("refused: {}: {}\n", refusal->combination, refusal->reason));
}

Json scheme_json(const Options& o, const nn::SchemeInfo& row) {
  Json json = {{"name", row.name},
               {"title", row.title},
               {"formula", row.formula},
               {"constants", has_constants(row) ? Json(row.constants) : Json()},
               {"first_values", first_values(row)},
               {"embedding_norm", row.embedding_norm},
               {"final_norm", row.final_norm},
               {"source", row.source},
               {"choice", row.choice},
               {"stacks", Json::array()}};
  for (const Case& c : cases(o)) {
    const nn::SchemeConstants k = nn::scheme_constants(row.scheme, c.depth);
    json["stacks"].push_back(
        {{"stack", c.title},
         {"layers", c.depth.layers()},
         {"alpha", k.alpha},
         {"beta", k.beta},
         {"norms_in_last_block", nn::norms_in_block(row.scheme, c.depth, c.depth.layers() - 1)},
         {"norms", nn::norm_count(row.scheme, c.depth)},
         {"parameters", is_refused(row.scheme, o) ? Json() : Json(added_parameters(row, o, c.depth))}});
  }
  return json;
}

Json all_json(const Options& o) {
  Json json = {{"schemes", Json::array()}, {"norms", Json::array()}, {"refused", Json::array()}};
  for (const nn::SchemeInfo& row : nn::scheme_table()) json["schemes"].push_back(scheme_json(o, row));
  for (const nn::NormInfo& row : nn::norm_table()) {
    json["norms"].push_back({{"name", row.name},
                             {"title", row.title},
                             {"formula", row.formula},
                             {"invariant", row.invariant},
                             {"source", row.source}});
  }
  for (const nn::Refusal& refusal : nn::refusal_table()) {
    json["refused"].push_back({{"combination", refusal.combination}, {"reason", refusal.reason}});
  }
  return json;
}

void run(const Options& o) {
  if (o.width % 4 != 0)
    throw CLI::ValidationError(tape::str("--width must be a multiple of the 4 heads, it is ", o.width));
  if (o.json) {
    tool::show(fmt::format("{}\n", (o.row ? scheme_json(o, *o.row) : all_json(o)).dump(2)));
  } else if (o.row) {
    print_details(o, *o.row);
  } else {
    print_overview(o);
  }
}

}  // namespace

void add_schemes(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("schemes", "Print the tables of residual schemes and norms");
  const auto tell_of = [command, options](const std::string& name) {
    options->row = as_usage(*command, [&] { return &nn::scheme_info(scheme_named(name)); });
  };
  command->add_option_function<std::string>("name", tell_of, "Tell more about this scheme")->type_name("NAME");
  const CLI::Validator depths = from_to(int64_t{1}, int64_t{100'000});
  add_number(*command, "--layers", options->layers, "Blocks, in an encoder-decoder model those of the encoder")
      ->check(depths);
  add_whole(*command, "--decoder-layers", options->decoder_layers, "Blocks of the decoder [as --layers]")
      ->check(depths);
  add_number(*command, "--width", options->width, "Width that parameters are counted for, with 4 heads")
      ->check(from_to(int64_t{4}, int64_t{1024}));
  add_choice(*command, "--norm", options->norm, norm_named, "Norm that parameters are counted for");
  command->add_flag("--json", options->json, "Everything, for programs");
  command->footer(
      "Examples:\n"
      "  tapeformer schemes\n"
      "  tapeformer schemes deepnorm --layers 18\n"
      "  tapeformer schemes admin --layers 6 --decoder-layers 12\n"
      "  tapeformer schemes --json > schemes.json");
  command->callback([options] { run(*options); });
}

}  // namespace tapeformer
