#include <tape/examples/lab/source.h>

#include <sstream>
#include <string_view>
#include <vector>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::lab {

// Written by CMake from the files of these names.
extern const char* const scheme_header;
extern const char* const scheme_source;
extern const char* const residual_source;

namespace {

std::vector<std::string> lines_of(const char* text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::size_t find_line(const std::vector<std::string>& lines, std::string_view part, std::size_t from = 0) {
  for (std::size_t i = from; i < lines.size(); ++i) {
    if (lines[i].find(part) != std::string::npos) return i;
  }
  throw Error(str("there is no line with \"", part, "\" in the source"));
}

// Lines first … last-1 with their common indentation left out.
std::string joined(const std::vector<std::string>& lines, std::size_t first, std::size_t last) {
  std::size_t indent = std::string::npos;
  for (std::size_t i = first; i < last; ++i) {
    if (!lines[i].empty()) indent = std::min(indent, lines[i].find_first_not_of(' '));
  }
  std::string text;
  for (std::size_t i = first; i < last; ++i) text += (lines[i].empty() ? "" : lines[i].substr(indent)) + "\n";
  return text;
}

// "MixLN": the name in the enumeration, from its own text.
std::string enumerator(nn::Scheme scheme) {
  const std::vector<std::string> lines = lines_of(scheme_header);
  const std::size_t first = find_line(lines, "enum class Scheme {") + 1;
  std::string name = lines.at(first + static_cast<std::size_t>(scheme));
  name.erase(0, name.find_first_not_of(' '));
  if (name.ends_with(',')) name.pop_back();
  return name;
}

}  // namespace

Excerpt source_of(nn::Scheme scheme) {
  const std::vector<std::string> lines = lines_of(scheme_source);
  const std::size_t plan = find_line(lines, "Slots plan(");
  const std::size_t first = find_line(lines, "case Scheme::" + enumerator(scheme) + ":", plan);
  std::size_t last = find_line(lines, "return", first) + 1;  // past other names of the same case
  while (lines.at(last).find("case Scheme::") == std::string::npos && !lines[last].starts_with("  }")) ++last;
  return {"nn/scheme.cpp", static_cast<int>(first) + 1, joined(lines, first, last)};
}

Excerpt source_of_sum() {
  const std::vector<std::string> lines = lines_of(residual_source);
  const std::size_t first = find_line(lines, "Tensor Residual::sum(");
  return {"nn/residual.cpp", static_cast<int>(first) + 1, joined(lines, first, find_line(lines, "}", first) + 1)};
}

}  // namespace tape::inline TAPE_ABI::lab
