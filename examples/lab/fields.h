// Fields: named values in order. A cell's configuration is one, what was measured in it another; both are JSON objects
// in the lab's files.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::lab {

/// A number, a name, or a list of numbers.
class Value {
 public:
  Value(double number) : value_(number) {}                        // NOLINT: these convert silently on purpose
  Value(int number) : value_(static_cast<double>(number)) {}      // NOLINT
  Value(int64_t number) : value_(static_cast<double>(number)) {}  // NOLINT
  Value(const char* text) : value_(std::string(text)) {}          // NOLINT
  Value(std::string_view text) : value_(std::string(text)) {}     // NOLINT
  Value(std::string text) : value_(std::move(text)) {}            // NOLINT
  Value(std::vector<double> list) : value_(std::move(list)) {}    // NOLINT

  const double* number() const { return std::get_if<double>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  const std::vector<double>* list() const { return std::get_if<std::vector<double>>(&value_); }
  bool operator==(const Value&) const = default;

 private:
  std::variant<double, std::string, std::vector<double>> value_;
};

class Fields {
 public:
  using Entry = std::pair<std::string, Value>;
  Fields() = default;
  Fields(std::initializer_list<Entry> entries) : entries_(entries) {}

  const std::vector<Entry>& entries() const { return entries_; }
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// Sets a value, or replaces the one that this name has.
  void set(std::string_view name, Value value);
  /// A copy with this value set.
  Fields with(std::string_view name, Value value) const;

  /// The value under a name. Throws Error that names it when there is none or it is of another kind.
  double number(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  const std::vector<double>& list(std::string_view name) const;

  /// True when all values of `part` are here as well.
  bool contains(const Fields& part) const;
  bool operator==(const Fields&) const = default;

 private:
  const Value* find(std::string_view name) const;
  std::vector<Entry> entries_;
};

/// {"scheme":"post","layers":6}: numbers as short as they are exact, those that are not finite as null.
std::string to_json(const Fields& fields);
/// Reads what to_json writes; null becomes NaN. Throws Error that says what is wrong.
Fields fields_of(std::string_view json);

}  // namespace tape::inline TAPE_ABI::lab
