#include <tape/examples/support/corpus.h>

#include <algorithm>
#include <array>

#include <tape/core/error.h>
#include <tape/nn/names.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

constexpr std::array<nn::Named<nn::Architecture>, 3> names{{{nn::Architecture::DecoderOnly, "gpt"},
                                                            {nn::Architecture::EncoderOnly, "bert"},
                                                            {nn::Architecture::EncoderDecoder, "encdec"}}};

Pair pair_of(std::u32string_view line, const CharTokenizer& tokenizer, const std::string& place) {
  const auto tabs = std::ranges::count(line, U'\t');
  if (tabs != 1) {
    throw Error(str(place, " has ", tabs == 0 ? "no" : std::to_string(tabs),
                    " tabs: a line must be a source, one tab, and its target"));
  }
  const auto tab = line.find(U'\t');
  if (tab == 0) throw Error(place + " has nothing before the tab: a pair needs a source");
  if (tab + 1 == line.size()) throw Error(place + " has nothing after the tab: a pair needs a target");
  return {tokenizer.encode(line.substr(0, tab), place), tokenizer.encode(line.substr(tab + 1), place)};
}

}  // namespace

std::string_view name_of(nn::Architecture architecture) {
  return nn::find_name(architecture, names);
}
nn::Architecture architecture(std::string_view name) {
  return nn::find_value("architecture", name, names);
}

int64_t vocabulary(const CharTokenizer& tokenizer, nn::Architecture architecture) {
  switch (architecture) {
    case nn::Architecture::DecoderOnly:
      return tokenizer.size();
    case nn::Architecture::EncoderOnly:
      return tokenizer.size() + 1;
    case nn::Architecture::EncoderDecoder:
      return tokenizer.size() + 2;
  }
  return tokenizer.size();
}

CharTokenizer tokenizer_of(std::u32string_view text, nn::Architecture architecture) {
  if (!learns_pairs(architecture)) return CharTokenizer::of(text);
  std::u32string characters;
  std::ranges::copy_if(text, std::back_inserter(characters), [](char32_t c) { return c != U'\t' && c != U'\n'; });
  return CharTokenizer::of(characters.empty() ? text : characters);
}

Corpus corpus_of(std::u32string_view text, const CharTokenizer& tokenizer, nn::Architecture architecture,
                 const std::string& source) {
  if (!learns_pairs(architecture)) return tokenizer.encode(text, source);
  while (text.ends_with(U'\n')) text.remove_suffix(1);  // lines without anything at the end of a file
  if (text.empty()) throw Error(source + " has no pairs: each line must be a source, one tab, and its target");
  std::vector<Pair> pairs;
  while (!text.empty()) {
    const auto end = std::min(text.find(U'\n'), text.size());
    pairs.push_back(pair_of(text.substr(0, end), tokenizer, str(source, ", line ", pairs.size() + 1)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return pairs;
}

}  // namespace tape::inline TAPE_ABI::tool
