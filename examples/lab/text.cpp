#include <tape/examples/lab/text.h>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::lab {

Language language(std::string_view name) {
  if (name == "en") return Language::english;
  if (name == "zh") return Language::chinese;
  if (name == "both") return Language::both;
  throw Error(str("unknown language \"", name, "\": choose one of en, zh, both"));
}

std::string line(const Text& text, Language language) {
  if (language == Language::english || text.en == text.zh) return text.en;
  return language == Language::chinese ? text.zh : text.en + " · " + text.zh;
}

}  // namespace tape::inline TAPE_ABI::lab
