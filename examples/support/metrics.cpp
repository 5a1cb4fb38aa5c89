#include <tape/examples/support/metrics.h>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tape::inline TAPE_ABI::tool {

namespace {

std::string line_of(const Metrics& m) {
  std::string line = fmt::format("{{\"step\":{}", m.step);
  const auto add = [&](const char* key, const std::optional<double>& value) {
    if (value) line += fmt::format(",\"{}\":{}", key, json_number(*value));
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

MetricsLog::MetricsLog(const std::string& path, int64_t keep)
    : log_(path, keep, [this](const nlohmann::json& line) {
        if (line.contains("seconds") && line["seconds"].is_number()) seconds_before_ = line["seconds"];
      }) {}

void MetricsLog::write(const Metrics& metrics) {
  log_.write(line_of(metrics));
}

std::vector<Metrics> read_metrics(const std::string& path) {
  std::vector<Metrics> all;
  read_lines(path, [&](const nlohmann::json& line) {
    const auto get = [&](const char* key) {
      return line.contains(key) ? std::optional<double>(number_of(line, key)) : std::nullopt;
    };
    all.push_back({.step = line["step"].get<int64_t>(),
                   .loss = get("loss"),
                   .val_loss = get("val_loss"),
                   .lr = get("lr"),
                   .grad_norm = get("grad_norm"),
                   .tokens_per_s = get("tokens_per_s"),
                   .seconds = get("seconds").value_or(0)});
  });
  return all;
}

}  // namespace tape::inline TAPE_ABI::tool
