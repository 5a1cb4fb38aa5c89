// Errors that say which operation failed, on what shapes, which rule was broken and from where it was called.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

/// The place of a call: file and line. Taken as a defaulted last argument `Where where = Where::here()`, which the
/// compiler fills in with the caller's place. (clang 14 has no std::source_location.)
struct Where {
  const char* file = "";
  int line = 0;

  static constexpr Where here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

/// The one exception type of the library. what() is a complete sentence for a person.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
  /// "message; from train.cpp:24"
  Error(const std::string& message, Where where);
};

/// Concatenates its arguments as an output stream would print them.
template <class... Args>
std::string str(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

}  // namespace tape::inline TAPE_ABI
