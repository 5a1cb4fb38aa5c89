#include <tape/core/error.h>

#include <string_view>

namespace tape::inline TAPE_ABI {

namespace {

std::string placed(const std::string& message, Where where) {
  const std::string_view path(where.file);
  if (path.empty()) return message;
  const auto slash = path.rfind('/');
  return str(message, "; from ", slash == std::string_view::npos ? path : path.substr(slash + 1), ":", where.line);
}

}  // namespace

Error::Error(const std::string& message, Where where) : std::runtime_error(placed(message, where)) {}

}  // namespace tape::inline TAPE_ABI
