#include <tape/examples/support/watch_log.h>

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace tape::inline TAPE_ABI::tool {

namespace {

// Lists the entries of a record, for reading and for writing alike.
void visit(auto&& v, auto& r) {
  v.names("parts", r.parts);
  v.numbers("grad_norm", r.gradient_norm, r.parts);
  v.numbers("grad_non_finite", r.gradient_non_finite, r.parts);
  v.numbers("update_ratio", r.update_ratio, r.parts);
  v.names("layers", r.layers);
  v.numbers("resid_rms", r.residual_rms, r.layers);
  v.numbers("non_finite", r.non_finite, r.layers);
  v.numbers("max_logit", r.max_logit, r.layers);
  v.optional_numbers("max_cross_logit", r.max_cross_logit, r.layers);
  v.names("gains", r.gains);
  v.numbers("gain_rms", r.gain_rms, r.gains);
  v.numbers("gain_min", r.gain_min, r.gains);
  v.numbers("gain_max", r.gain_max, r.gains);
}

using Names = std::vector<std::string>;
using Numbers = std::vector<double>;

struct Writer {
  std::string line;

  void list(const char* key, const auto& values, const auto& text_of) {
    line += fmt::format(",\"{}\":[", key);
    for (std::size_t i = 0; i < values.size(); ++i) line += fmt::format("{}{}", i > 0 ? "," : "", text_of(values[i]));
    line += "]";
  }
  void names(const char* key, const Names& values) {
    list(key, values, [](const std::string& name) { return nlohmann::json(name).dump(); });
  }
  void numbers(const char* key, const Numbers& values, const Names&) { list(key, values, json_number); }
  void optional_numbers(const char* key, const Numbers& values, const Names& of) {
    if (!values.empty()) numbers(key, values, of);
  }
};

struct Reader {
  const nlohmann::json& line;

  const nlohmann::json& list(const char* key) const {
    const auto found = line.find(key);
    if (found == line.end() || !found->is_array()) throw Error(str("the list \"", key, "\" is missing"));
    return *found;
  }
  void names(const char* key, Names& values) const {
    for (const nlohmann::json& entry : list(key)) {
      if (!entry.is_string()) throw Error(str("the list \"", key, "\" must hold names"));
      values.push_back(entry);
    }
  }
  void numbers(const char* key, Numbers& values, const Names& of) const {
    for (const nlohmann::json& entry : list(key)) {
      if (!entry.is_number() && !entry.is_null()) throw Error(str("the list \"", key, "\" must hold numbers and null"));
      values.push_back(entry.is_null() ? std::numeric_limits<double>::quiet_NaN() : entry.get<double>());
    }
    if (values.size() != of.size())
      throw Error(str("the list \"", key, "\" has ", values.size(), " numbers for ", of.size(), " names"));
  }
  void optional_numbers(const char* key, Numbers& values, const Names& of) const {
    if (line.contains(key)) numbers(key, values, of);
  }
};

}  // namespace

std::string describe(const NonFinite& place) {
  if (place.kind == "weight") return str("the values of ", place.name);
  if (place.kind == "activation") return str("the activations at ", place.name);
  if (place.kind == "loss") return "the scores or the loss, behind all layers";
  if (place.kind == "gradient") return str("the gradient at ", place.name);
  return str("the gradient of ", place.name);
}

void WatchLog::write(const WatchRecord& record) {
  Writer writer{fmt::format("{{\"step\":{}", record.step)};
  visit(writer, record);
  if (const NonFinite& first = record.first_non_finite) {
    writer.line +=
        fmt::format(",\"first_non_finite\":{}", nlohmann::json{{"kind", first.kind}, {"name", first.name}}.dump());
  }
  log_.write(writer.line + "}\n");
}

std::vector<WatchRecord> read_watch(const std::string& path) {
  std::vector<WatchRecord> all;
  read_lines(path, [&](const nlohmann::json& line) {
    WatchRecord record{.step = line["step"].get<int64_t>()};
    Reader reader{line};
    visit(reader, record);
    if (const auto first = line.find("first_non_finite"); first != line.end()) {
      const auto text = [&](const char* key) {
        const bool good = first->is_object() && first->contains(key) && (*first)[key].is_string();
        if (!good) throw Error(str("the entry \"first_non_finite\" must have a text \"", key, "\""));
        return (*first)[key].get<std::string>();
      };
      record.first_non_finite = {text("kind"), text("name")};
    }
    if (!all.empty() &&
        (record.parts != all[0].parts || record.layers != all[0].layers || record.gains != all[0].gains ||
         record.max_cross_logit.size() != all[0].max_cross_logit.size()))
      throw Error("this line is of another model than the first one");
    all.push_back(std::move(record));
  });
  return all;
}

}  // namespace tape::inline TAPE_ABI::tool
