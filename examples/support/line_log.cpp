#include <tape/examples/support/line_log.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include <tape/core/atomic_file.h>
#include <tape/examples/support/files.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

// The object in a line; null for anything else.
nlohmann::json parsed(const std::string& line) {
  nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  const bool good = json.is_object() && json.contains("step") && json["step"].is_number();
  return good ? json : nlohmann::json();
}

}  // namespace

LineLog::LineLog(const std::string& path, int64_t keep, const See& see) : path_(path) {
  std::string kept;
  if (keep >= 0 && std::filesystem::exists(path)) {
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      const nlohmann::json json = parsed(line);  // the last line may be cut off by a crash
      if (json.is_null()) continue;
      if (json["step"].get<double>() > static_cast<double>(keep)) break;
      kept += line + "\n";
      if (see) see(json);
    }
  }
  atomic_write_file(path, kept);
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) throw Error(str("can not write ", path, ": ", std::generic_category().message(errno)));
}

LineLog::~LineLog() {
  ::close(descriptor_);
}

void LineLog::write(std::string_view line) {
  while (!line.empty()) {
    const ssize_t count = ::write(descriptor_, line.data(), line.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(str("can not write ", path_, ": ", std::generic_category().message(errno)));
    line.remove_prefix(static_cast<std::size_t>(count));
  }
}

void read_lines(const std::string& path, const LineLog::See& see) {
  const std::string text = read_file(path);
  std::size_t begin = 0;
  for (int64_t number = 1;; ++number) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) return;
    const nlohmann::json json = parsed(text.substr(begin, end - begin));
    if (json.is_null()) throw Error(str(path, ", line ", number, " is damaged: it must be a JSON object with a step"));
    try {
      see(json);
    } catch (const Error& error) {
      throw Error(str(path, ", line ", number, ": ", error.what()));
    }
    begin = end + 1;
  }
}

std::string json_number(double value) {
  return std::isfinite(value) ? fmt::format("{:.7g}", value) : "null";
}

double number_of(const nlohmann::json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end()) throw Error(str("the entry \"", key, "\" is missing"));
  if (found->is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!found->is_number()) throw Error(str("the entry \"", key, "\" must be a number or null"));
  return found->get<double>();
}

}  // namespace tape::inline TAPE_ABI::tool
