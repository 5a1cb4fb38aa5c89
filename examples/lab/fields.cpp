#include <tape/examples/lab/fields.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::string json_of(double number) {
  return std::isfinite(number) ? fmt::format("{}", number) : "null";
}

std::string json_of(const Value& value) {
  if (value.number()) return json_of(*value.number());
  if (value.text()) return nlohmann::json(*value.text()).dump();
  std::string text;
  for (const double number : *value.list()) text += (text.empty() ? "" : ",") + json_of(number);
  return "[" + text + "]";
}

double number_of(const nlohmann::ordered_json& json, const std::string& name) {
  if (json.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!json.is_number()) throw Error(str('"', name, "\" must be a number, a text or a list of numbers"));
  return json.get<double>();
}

}  // namespace

void Fields::set(std::string_view name, Value value) {
  for (Entry& entry : entries_) {
    if (entry.first != name) continue;
    entry.second = std::move(value);
    return;
  }
  entries_.emplace_back(name, std::move(value));
}

Fields Fields::with(std::string_view name, Value value) const {
  Fields copy = *this;
  copy.set(name, std::move(value));
  return copy;
}

const Value* Fields::find(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.first == name) return &entry.second;
  }
  return nullptr;
}

double Fields::number(std::string_view name) const {
  const Value* value = find(name);
  if (!value || !value->number()) throw Error(str("there is no number \"", name, "\" in ", to_json(*this)));
  return *value->number();
}

int64_t Fields::integer(std::string_view name) const {
  return static_cast<int64_t>(number(name));
}

const std::string& Fields::text(std::string_view name) const {
  const Value* value = find(name);
  if (!value || !value->text()) throw Error(str("there is no text \"", name, "\" in ", to_json(*this)));
  return *value->text();
}

const std::vector<double>& Fields::list(std::string_view name) const {
  const Value* value = find(name);
  if (!value || !value->list()) throw Error(str("there is no list \"", name, "\" in ", to_json(*this)));
  return *value->list();
}

bool Fields::contains(const Fields& part) const {
  for (const Entry& entry : part.entries_) {
    const Value* value = find(entry.first);
    if (!value || !(*value == entry.second)) return false;
  }
  return true;
}

std::string to_json(const Fields& fields) {
  std::string text;
  for (const Fields::Entry& entry : fields.entries()) {
    text += (text.empty() ? "" : ",") + nlohmann::json(entry.first).dump() + ":" + json_of(entry.second);
  }
  return "{" + text + "}";
}

Fields fields_of(std::string_view text) {
  const auto json = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!json.is_object()) throw Error("this is no JSON object");
  Fields fields;
  for (const auto& item : json.items()) {
    if (item.value().is_string()) {
      fields.set(item.key(), item.value().get<std::string>());
    } else if (item.value().is_array()) {
      std::vector<double> list;
      for (const auto& element : item.value()) list.push_back(number_of(element, item.key()));
      fields.set(item.key(), std::move(list));
    } else {
      fields.set(item.key(), number_of(item.value(), item.key()));
    }
  }
  return fields;
}

}  // namespace tape::inline TAPE_ABI::lab
