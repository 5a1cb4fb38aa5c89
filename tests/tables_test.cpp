// The tables of norms and of refused combinations say what the code does.
#include <tape/nn/model_config.h>
#include <tape/nn/scheme.h>

#include <set>

#include "catch.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using nn::NormKind;
using nn::Scheme;

TEST_CASE("The table of norms has each kind once, with its name, formula and source", "[nn][norm]") {
  std::set<NormKind> kinds;
  for (const nn::NormInfo& row : nn::norm_table()) {
    CHECK(nn::name_of(row.kind) == row.name);
    CHECK(nn::norm_kind(row.name) == row.kind);
    CHECK_FALSE(row.formula.empty());
    CHECK(row.source.find("arXiv") != std::string_view::npos);
    CHECK((row.invariant == "nothing") == !nn::is_scale_invariant(row.kind));
    kinds.insert(row.kind);
  }
  CHECK(kinds == std::set<NormKind>{NormKind::Layer, NormKind::RMS, NormKind::Scale, NormKind::DyT, NormKind::Derf});
  CHECK(
      has_parts(error_of([] { nn::norm_kind("batch"); }), {"unknown norm \"batch\"", "layer, rms, scale, dyt, derf"}));
}

TEST_CASE("Each row of refused combinations is refused by its own reason, and no other combination is",
          "[nn][scheme]") {
  const auto message_of = [](const nn::ModelConfig& c) -> std::string {
    try {
      nn::check(c, nn::Architecture::DecoderOnly);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  int refused = 0;
  for (const nn::SchemeInfo& scheme : nn::scheme_table()) {
    for (const nn::NormInfo& norm : nn::norm_table()) {
      for (const bool embedding_norm : {false, true}) {
        for (const bool recompute : {false, true}) {
          nn::ModelConfig c{.vocab = 5, .scheme = scheme.scheme, .norm = norm.kind};
          c.embedding_norm = embedding_norm;
          c.recompute = recompute;
          c.mixture.experts = 2;
          const std::string message = message_of(c);
          INFO(scheme.name << " " << norm.name << ": " << message);
          bool held = false;
          for (const nn::Refusal& refusal : nn::refusal_table()) {
            if (!refusal.holds(c)) continue;
            if (!held) CHECK(has_parts(message, {refusal.reason}));
            held = true;
          }
          const bool relies_on_norm = scheme.scheme == Scheme::DeepNorm || scheme.scheme == Scheme::DeepNormArticle ||
                                      scheme.scheme == Scheme::Admin || scheme.scheme == Scheme::KEEL;
          const bool has_no_norm = scheme.scheme == Scheme::ReZero || scheme.scheme == Scheme::TFixup;
          const bool expected =
              recompute || (relies_on_norm && !nn::is_scale_invariant(norm.kind)) || (embedding_norm && has_no_norm);
          CHECK(held == expected);
          CHECK(message.empty() == !expected);
          refused += expected ? 1 : 0;
        }
      }
    }
  }
  CHECK(refused == 19 * 5 * 2 + 4 * 2 * 2 + 2 * 5);
}

}  // namespace tape::inline TAPE_ABI::test
