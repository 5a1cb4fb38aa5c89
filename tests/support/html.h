// Pages as text: are they well-formed, and whole by themselves?
#pragma once

#include <set>
#include <string>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::test {

/// The first tag that is not closed in its order, empty when there is none; elements without content, a doctype and
/// scripts left out.
inline std::string first_unclosed(const std::string& html) {
  static const std::set<std::string> empty{"meta", "br", "!DOCTYPE"};
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const std::size_t end = html.find('>', at);
    if (end == std::string::npos) return "a tag without an end";
    const std::string tag = html.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return tag + " at " + std::to_string(at);
      open.pop_back();
    } else if (!tag.ends_with('/') && empty.count(name) == 0) {
      open.push_back(name);
      if (name == "script" || name == "style") at = html.find("</" + name, end) - 1;
    }
  }
  return open.empty() ? "" : open.back();
}

}  // namespace tape::inline TAPE_ABI::test
