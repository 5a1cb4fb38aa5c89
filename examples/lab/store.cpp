#include <tape/examples/lab/store.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include <tape/core/atomic_file.h>
#include <tape/core/error.h>
#include <tape/examples/support/files.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

[[noreturn]] void fail(const std::string& path, const char* action, int code) {
  throw Error(str("can not ", action, ' ', path, ": ", std::generic_category().message(code)));
}

// The cell without its seed.
Cell configuration(const Cell& cell) {
  Cell rest;
  for (const Fields::Entry& entry : cell.entries()) {
    if (entry.first != "seed") rest.set(entry.first, entry.second);
  }
  return rest;
}

class Reader {
 public:
  Reader(std::string path, const Experiment& experiment)
      : path_(std::move(path)), experiment_(experiment), known_(experiment.cells(Size::full)) {}

  Row row_of(std::string_view line, std::size_t number) const {
    const auto json = nlohmann::ordered_json::parse(line, nullptr, false);
    const auto is = [&](const char* key, auto test) { return json.contains(key) && test(json[key]); };
    const auto object = [](const auto& j) { return j.is_object(); };
    if (!json.is_object() || !is("cell", object) || !is("result", object)) refuse(number, "is no line of the lab");
    if (!is("experiment", [&](const auto& j) { return j == experiment_.name; }))
      refuse(number, "is of another experiment");
    if (!is("version", [&](const auto& j) { return j == experiment_.version; }))
      refuse(number, fmt::format("is not of version {} of the experiment", experiment_.version));
    Row row;
    try {
      row = {fields_of(json["cell"].dump()), fields_of(json["result"].dump())};
    } catch (const Error& error) {
      refuse(number, error.what());
    }
    if (!row.cell.has("seed") || std::ranges::find(known_, configuration(row.cell)) == known_.end())
      refuse(number, "has a configuration that this experiment does not measure: " + json["cell"].dump());
    return row;
  }

 private:
  [[noreturn]] void refuse(std::size_t number, const std::string& why) const {
    throw Error(
        fmt::format("{}, line {}, {}; move the file away or choose another folder with --out", path_, number, why));
  }

  std::string path_;
  const Experiment& experiment_;
  std::vector<Cell> known_;
};

// Rows of all whole lines, and how many bytes these have.
struct Content {
  std::vector<Row> rows;
  std::size_t bytes = 0;
};

Content read(const std::string& path, const Experiment& experiment) {
  Content content;
  if (!std::filesystem::exists(path)) return content;
  const Reader reader(path, experiment);
  const std::string text = tool::read_file(path);
  std::size_t number = 0;
  for (std::size_t end = 0; (end = text.find('\n', content.bytes)) != std::string::npos; content.bytes = end + 1) {
    const auto line = std::string_view(text).substr(content.bytes, end - content.bytes);
    content.rows.push_back(reader.row_of(line, ++number));
  }
  return content;
}

}  // namespace

std::string data_path(const std::string& folder, const Experiment& experiment) {
  return folder + "/" + experiment.name + ".jsonl";
}

std::vector<Row> read_rows(const std::string& folder, const Experiment& experiment) {
  return read(data_path(folder, experiment), experiment).rows;
}

Store::Store(const std::string& folder, const Experiment& experiment)
    : path_(data_path(folder, experiment)), experiment_(experiment) {
  Content content = read(path_, experiment);
  rows_ = std::move(content.rows);
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail(path_, "write", errno);
  if (::ftruncate(descriptor_, static_cast<off_t>(content.bytes)) != 0) {
    const int code = errno;
    ::close(descriptor_);
    fail(path_, "write", code);
  }
}

Store::~Store() {
  ::close(descriptor_);
}

std::string Store::line_of(const Row& row) const {
  return fmt::format("{{\"experiment\":\"{}\",\"version\":{},\"cell\":{},\"result\":{}}}\n", experiment_.name,
                     experiment_.version, to_json(row.cell), to_json(row.result));
}

void Store::append(const Cell& cell, const Fields& result) {
  rows_.push_back({cell, result});
  const std::string line = line_of(rows_.back());
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t count = ::write(descriptor_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path_, "write", errno);
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::fsync(descriptor_) != 0) fail(path_, "write", errno);
}

void Store::sort() {
  const std::vector<Cell> order = experiment_.cells(Size::full);
  const auto place = [&](const Row& row) {
    return std::pair(std::ranges::find(order, configuration(row.cell)) - order.begin(), row.cell.number("seed"));
  };
  std::ranges::stable_sort(rows_, {}, place);
  std::string text;
  for (const Row& row : rows_) text += line_of(row);
  atomic_write_file(path_, text);
}

}  // namespace tape::inline TAPE_ABI::lab
