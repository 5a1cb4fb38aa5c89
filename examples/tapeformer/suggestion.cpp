#include "suggestion.h"

#include <span>
#include <vector>

#include <tape/core/ops/loss.h>
#include <tape/examples/support/text.h>

namespace tapeformer {

namespace {

namespace tool = tape::tool;

// The longest run of characters that fit one line, of 40 at most; a gap counts as one. Empty when there is none.
std::u32string printable_part(const std::u32string& text) {
  constexpr std::size_t most = 40;
  std::u32string best, part;
  for (const char32_t c : text) {
    part = c < U' ' || part.size() == most ? U"" : part + c;
    if (part.size() > best.size()) best = part;
  }
  return best;
}

// A window with gaps where something is asked for; one in the middle when its printable part has none.
std::u32string text_with_gaps(const tool::Batch& batch, const tool::CharTokenizer& tokenizer, char32_t gap) {
  std::u32string text;
  for (int64_t i = 0; i < batch.input.size(); ++i) {
    const bool asked = batch.target.data()[i] != tape::CrossEntropyOptions{}.ignore_index;
    text += asked ? gap : tool::decode_utf8(tokenizer.decode(batch.input.data()[i]), "the text")[0];
  }
  text = printable_part(text);
  if (!text.empty() && text.find(gap) == std::u32string::npos) text[text.size() / 2] = gap;
  return text;
}

std::string prompt_options(const std::u32string& prompt) {
  return "--prompt " + (prompt.empty() ? "TEXT" : quoted(tool::encode_utf8(prompt))) + " --temperature 0";
}

}  // namespace

std::string quoted(const std::string& word) {
  const bool plain =
      word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%") ==
      std::string::npos;
  if (plain && !word.empty()) return word;
  std::string result = "'";
  for (const char c : word) result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

std::string sample_options(const tool::Trainer& trainer, const tool::CharTokenizer& tokenizer) {
  switch (trainer.config().architecture) {
    case tape::nn::Architecture::DecoderOnly:
      return "--tokens 500";
    case tape::nn::Architecture::EncoderOnly:
      return prompt_options(text_with_gaps(trainer.data().validation(0, 1), tokenizer, U'_'));
    case tape::nn::Architecture::EncoderDecoder: {
      const tape::Ids source = trainer.data().validation(0, 1).source;
      const std::span<const int32_t> tokens = source.values();
      return prompt_options(tool::decode_utf8(tokenizer.decode({tokens.begin(), tokens.end()}), "the pairs"));
    }
  }
  return "";
}

}  // namespace tapeformer
