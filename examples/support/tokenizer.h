// Characters as tokens: the vocabulary is the set of characters of the training text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::tool {

class CharTokenizer {
 public:
  /// The characters that occur in `text`, in the order of their code points: token 0 is the smallest.
  /// Throws Error for a text without characters.
  static CharTokenizer of(std::u32string_view text);
  /// Reads what save() wrote. Throws Error that names the file for one that is damaged or of another kind.
  static CharTokenizer load(const std::string& path);
  /// Writes {"type": "characters", "characters": ["\n", " ", "!", …]}, whole or not at all.
  void save(const std::string& path) const;

  int64_t size() const { return static_cast<int64_t>(characters_.size()); }
  bool contains(char32_t character) const;
  /// A character that stands for a token which is not one of the characters, such as a gap's.
  struct Special {
    char32_t character;
    int32_t token;
  };
  /// Throws Error that starts with `source` and names the first unknown character, its position, counted from 1,
  /// and characters that are known.
  std::vector<int32_t> encode(std::u32string_view text, const std::string& source,
                              std::optional<Special> special = {}) const;
  /// The character of a token as UTF-8. Throws Error for a number outside 0…size()-1.
  std::string decode(int32_t token) const;
  std::string decode(const std::vector<int32_t>& tokens) const;

  bool operator==(const CharTokenizer&) const = default;

 private:
  explicit CharTokenizer(std::u32string characters) : characters_(std::move(characters)) {}

  std::u32string characters_;  // sorted, each once
};

}  // namespace tape::inline TAPE_ABI::tool
