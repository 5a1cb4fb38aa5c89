// Words of the lab in the languages that it speaks.
#pragma once

#include <string>
#include <string_view>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::lab {

enum class Language { english, chinese, both };
/// "en", "zh" or "both". Throws Error for another name, listing these.
Language language(std::string_view name);

/// The same words in English and in Chinese. Converts from one text for names that are the same in both.
struct Text {
  std::string en;
  std::string zh;

  Text() = default;
  Text(const char* same) : en(same), zh(same) {}         // NOLINT: converts silently on purpose
  Text(const std::string& same) : en(same), zh(same) {}  // NOLINT
  Text(std::string english, std::string chinese) : en(std::move(english)), zh(std::move(chinese)) {}

  bool operator==(const Text&) const = default;
};

/// One line: in both languages "English · Chinese", or one text where they are the same.
std::string line(const Text& text, Language language);

}  // namespace tape::inline TAPE_ABI::lab
