// Corpus: what a run learns from, as tokens: a text, or pairs of texts.
//
// Tokens are the characters of a CharTokenizer, and after them the special ones that an architecture needs:
//
//   gpt      none
//   bert     mask         V-1, which stands where a character is to be guessed
//   encdec   end          V-2, which ends a target
//            begin        V-1, which the decoder reads first; no target has it
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <tape/examples/support/tokenizer.h>
#include <tape/nn/scheme.h>

namespace tape::inline TAPE_ABI::tool {

/// "gpt" for decoder-only, "bert" for encoder-only, "encdec" for encoder-decoder models. The second function throws
/// Error for another name, listing these.
std::string_view name_of(nn::Architecture architecture);
nn::Architecture architecture(std::string_view name);

/// True for encoder-decoder models, which learn from pairs; the others learn from a text.
constexpr bool learns_pairs(nn::Architecture architecture) {
  return architecture == nn::Architecture::EncoderDecoder;
}

/// A source and its target, without special tokens.
struct Pair {
  std::vector<int32_t> source;
  std::vector<int32_t> target;
};
using Corpus = std::variant<std::vector<int32_t>, std::vector<Pair>>;

/// V: the characters and the special tokens of this architecture.
int64_t vocabulary(const CharTokenizer& tokenizer, nn::Architecture architecture);
constexpr int32_t mask_token(int64_t vocab) {
  return static_cast<int32_t>(vocab - 1);
}
constexpr int32_t end_token(int64_t vocab) {
  return static_cast<int32_t>(vocab - 2);
}
constexpr int32_t begin_token(int64_t vocab) {
  return static_cast<int32_t>(vocab - 1);
}

/// The characters of a text; where it holds pairs, those other than tabs and line ends.
CharTokenizer tokenizer_of(std::u32string_view text, nn::Architecture architecture);
/// The text as tokens; for encoder-decoder models each line is a pair "source<TAB>target", and empty lines
/// at the end are none. Throws Error that begins
/// with `source` and names the line for one that is no pair, and for a character that the tokenizer does not know.
Corpus corpus_of(std::u32string_view text, const CharTokenizer& tokenizer, nn::Architecture architecture,
                 const std::string& source);

}  // namespace tape::inline TAPE_ABI::tool
