#include "support/scheme_models.h"

#include <string_view>

#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI::test {

std::vector<Choice> every_choice(std::span<const nn::NormKind> norms) {
  std::vector<Choice> all;
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    for (const nn::NormKind norm : norms) all.push_back({row.scheme, norm});
  }
  return all;
}

std::vector<Place> every_place(int64_t n, int64_t m) {
  return {{"encoder-only", nn::Depth::encoder_only(n)},
          {"decoder-only", nn::Depth::decoder_only(n)},
          {"encoder", nn::Depth::encoder_of(n, m)},
          {"decoder", nn::Depth::decoder_of(n, m)}};
}

int64_t norms_on_tape(const Tape& tape) {
  int64_t count = 0;
  for (int64_t i = 0; i < tape.size(); ++i) {
    const std::string_view op = tape.node(i).op;
    count += op.ends_with("_norm") || op == "dyt" || op == "derf" ? 1 : 0;
  }
  return count;
}

}  // namespace tape::inline TAPE_ABI::test
