#include <tape/examples/lab/small_text.h>

#include <tape/examples/support/text.h>
#include <tape/examples/support/tokenizer.h>

namespace tape::inline TAPE_ABI::lab {

// Written by CMake from the file of this name.
extern const char* const small_text_file;

SmallText::SmallText() : data_({}, Seed{1}) {
  const std::u32string text = tool::decode_utf8(small_text_file, "small_text.txt");
  const tool::CharTokenizer tokenizer = tool::CharTokenizer::of(text);
  vocab_ = tokenizer.size();
  data_ = tool::Dataset(tokenizer.encode(text, "small_text.txt"), Seed{1});
}

double SmallText::unigram_entropy() const {
  return tool::unigram_entropy(data_.training(), vocab_);
}

// H(next | one) = H(one, next) - H(one).
double SmallText::bigram_entropy() const {
  const std::span<const int32_t> tokens = data_.training();
  std::vector<int32_t> pairs;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i)
    pairs.push_back(tokens[i] * static_cast<int32_t>(vocab_) + tokens[i + 1]);
  return tool::unigram_entropy(pairs, vocab_ * vocab_) - tool::unigram_entropy(tokens.first(tokens.size() - 1), vocab_);
}

const SmallText& small_text() {
  static const SmallText text;
  return text;
}

}  // namespace tape::inline TAPE_ABI::lab
