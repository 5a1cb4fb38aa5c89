// Logs of a run: files of one JSON object in a line, each of which says in "step" to which step it belongs.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::tool {

class LineLog {
 public:
  using See = std::function<void(const nlohmann::json& line)>;

  /// Opens the file to append to it. Lines after step `keep` are dropped, because a continued run writes them again; a
  /// negative `keep` starts an empty file. `see` is called with each line that is kept. Throws Error when the file can
  /// not be read or written.
  LineLog(const std::string& path, int64_t keep, const See& see = {});
  ~LineLog();
  LineLog(const LineLog&) = delete;
  LineLog& operator=(const LineLog&) = delete;

  /// Appends one line, which ends with a line end and is in the file when this returns. Throws Error when it can not be
  /// written.
  void write(std::string_view line);

 private:
  std::string path_;
  int descriptor_ = -1;
};

/// Calls `see` with each line of such a file. A last line without its end, which a program is about to write or a crash
/// has cut off, is left out. Throws Error that names the file and the line for one that is no such object, and for one
/// that `see` throws Error for.
void read_lines(const std::string& path, const LineLog::See& see);

/// A number as a log has it: as many digits as a float has, and null for one that is not finite.
std::string json_number(double value);

/// The number of an entry: NaN for null. Throws Error when the entry is missing or something else.
double number_of(const nlohmann::json& line, const char* key);

}  // namespace tape::inline TAPE_ABI::tool
