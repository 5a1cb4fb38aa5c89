#include <tape/examples/support/metrics.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <system_error>

#include <tape/core/atomic_file.h>
#include <tape/examples/support/files.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

// As many digits as a float has. JSON knows no NaN.
std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.7g}", value) : "null";
}

std::string line_of(const Metrics& m) {
  std::string line = fmt::format("{{\"step\":{}", m.step);
  const auto add = [&](const char* key, const std::optional<double>& value) {
    if (value) line += fmt::format(",\"{}\":{}", key, number(*value));
  };
  add("loss", m.loss);
  add("val_loss", m.val_loss);
  add("lr", m.lr);
  add("grad_norm", m.grad_norm);
  add("tokens_per_s", m.tokens_per_s);
  add("seconds", m.seconds);
  return line + "}\n";
}

}  // namespace

MetricsLog::MetricsLog(const std::string& path, int64_t keep) : path_(path) {
  std::string kept;
  if (keep >= 0 && std::filesystem::exists(path)) {
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line, nullptr, false);  // the last line may be cut off by a crash
      if (!json.is_object() || !json.contains("step") || !json["step"].is_number()) continue;
      if (json["step"].get<double>() > static_cast<double>(keep)) break;
      kept += line + "\n";
      if (json.contains("seconds") && json["seconds"].is_number()) seconds_before_ = json["seconds"];
    }
  }
  atomic_write_file(path, kept);
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) throw Error(str("can not write ", path, ": ", std::generic_category().message(errno)));
}

MetricsLog::~MetricsLog() {
  ::close(descriptor_);
}

void MetricsLog::write(const Metrics& metrics) {
  const std::string line = line_of(metrics);
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t count = ::write(descriptor_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(str("can not write ", path_, ": ", std::generic_category().message(errno)));
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace tape::inline TAPE_ABI::tool
