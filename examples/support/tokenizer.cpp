#include <tape/examples/support/tokenizer.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include <tape/core/atomic_file.h>
#include <tape/examples/support/files.h>
#include <tape/examples/support/text.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

// The first of those that can be seen, and how many there are more: "abc" and 5 more.
std::string shown(const std::u32string& characters) {
  constexpr std::size_t most = 80;
  std::u32string some;
  for (const char32_t c : characters) {
    const bool control = c < U' ' || (c >= 0x7F && c < 0xA1);
    if (!control && some.size() < most) some += c;
  }
  const std::size_t more = characters.size() - some.size();
  return str('"', encode_utf8(some), '"', more > 0 ? str(" and ", more, " more") : "");
}

}  // namespace

CharTokenizer CharTokenizer::of(std::u32string_view text) {
  if (text.empty()) throw Error("CharTokenizer: a text without characters has no vocabulary");
  const std::set<char32_t> distinct(text.begin(), text.end());
  return CharTokenizer(std::u32string(distinct.begin(), distinct.end()));
}

CharTokenizer CharTokenizer::load(const std::string& path) {
  const std::string bytes = read_file(path);
  const auto need = [&](bool holds, const std::string& why) {
    if (!holds) throw Error(str(path, " is not a tokenizer of this tool or is damaged: ", why));
  };
  const nlohmann::json json = nlohmann::json::parse(bytes, nullptr, false);
  need(!json.is_discarded(), "it is not valid JSON");
  need(json.is_object() && json.value("type", nlohmann::json()) == "characters", "\"type\" must be \"characters\"");
  const auto list = json.find("characters");
  need(list != json.end() && list->is_array() && !list->empty(), "\"characters\" must be a list with entries");
  std::u32string characters;
  for (const nlohmann::json& entry : *list) {
    need(entry.is_string(), "an entry of \"characters\" is not a string");
    const std::u32string one = decode_utf8(entry.get_ref<const std::string&>(), path);
    need(one.size() == 1, "an entry of \"characters\" is not a single character");
    need(characters.empty() || characters.back() < one[0], "\"characters\" are not in order, each once");
    characters += one;
  }
  return CharTokenizer(std::move(characters));
}

void CharTokenizer::save(const std::string& path) const {
  nlohmann::ordered_json json = {{"type", "characters"}, {"characters", nlohmann::json::array()}};
  for (const char32_t c : characters_) json["characters"].push_back(encode_utf8(c));
  atomic_write_file(path, json.dump() + "\n");
}

bool CharTokenizer::contains(char32_t character) const {
  return std::ranges::binary_search(characters_, character);
}

std::vector<int32_t> CharTokenizer::encode(std::u32string_view text, const std::string& source,
                                           std::optional<Special> special) const {
  std::vector<int32_t> tokens;
  tokens.reserve(text.size());
  for (const char32_t c : text) {
    if (special && c == special->character) {
      tokens.push_back(special->token);
      continue;
    }
    const auto found = std::ranges::lower_bound(characters_, c);
    if (found == characters_.end() || *found != c) {
      throw Error(str(source, ": character ", character_name(c), " at position ", tokens.size() + 1,
                      " is not among the ", size(), " characters that the model knows: ", shown(characters_)));
    }
    tokens.push_back(static_cast<int32_t>(found - characters_.begin()));
  }
  return tokens;
}

std::string CharTokenizer::decode(int32_t token) const {
  if (token < 0 || token >= size()) {
    throw Error(str("CharTokenizer: there is no token ", token, ", they are 0 to ", size() - 1));
  }
  return encode_utf8(characters_[static_cast<std::size_t>(token)]);
}

std::string CharTokenizer::decode(const std::vector<int32_t>& tokens) const {
  std::string text;
  for (const int32_t token : tokens) text += decode(token);
  return text;
}

}  // namespace tape::inline TAPE_ABI::tool
