#include <tape/core/safetensors.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <system_error>
#include <type_traits>

namespace tape::inline TAPE_ABI {

static_assert(std::endian::native == std::endian::little, "safetensors files are read as they are: little-endian");

namespace {

using nlohmann::json;

constexpr uint64_t max_header = 100'000'000;  // the limit of the format's own library
constexpr int64_t max_count = std::numeric_limits<int64_t>::max() / 8;

struct ElementType {
  const char* name;
  int64_t bytes;
};
constexpr std::array element_types = {ElementType{"BOOL", 1},    ElementType{"U8", 1},      ElementType{"I8", 1},
                                      ElementType{"F8_E4M3", 1}, ElementType{"F8_E5M2", 1}, ElementType{"U16", 2},
                                      ElementType{"I16", 2},     ElementType{"F16", 2},     ElementType{"BF16", 2},
                                      ElementType{"U32", 4},     ElementType{"I32", 4},     ElementType{"F32", 4},
                                      ElementType{"U64", 8},     ElementType{"I64", 8},     ElementType{"F64", 8}};

// IEEE binary16 has 5 bits of exponent with bias 15 and 10 bits of fraction; float has 8 with bias 127, and 23.
real from_half(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = bits >> 10 & 0x1f;
  const uint32_t fraction = bits & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: fraction · 2^-24, exact in float
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return static_cast<real>(sign ? -magnitude : magnitude);
  }
  const uint32_t wide_exponent = exponent == 0x1f ? 0xff : exponent - 15 + 127;  // infinity and NaN stay themselves
  return static_cast<real>(std::bit_cast<float>(sign | wide_exponent << 23 | fraction << 13));
}

// bfloat16 is the upper half of a float.
real from_bfloat16(uint16_t bits) {
  return static_cast<real>(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16));
}

}  // namespace

class SafetensorsFile::Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

void SafetensorsFile::fail(const std::string& why) const {
  throw Error(str("safetensors file ", path_, ": ", why));
}

void SafetensorsFile::fail(const std::string& name, const std::string& why) const {
  fail(str("tensor ", name, " ", why));
}

// Reads a header and fills in what a SafetensorsFile knows; nothing of it is believed unchecked.
class SafetensorsHeader {
 public:
  explicit SafetensorsHeader(SafetensorsFile& file) : file_(file) {}

  void read() {
    open();
    uint64_t length = 0;
    if (file_size_ < sizeof length) file_.fail(str("has ", file_size_, " bytes, too few for a safetensors file"));
    read_bytes(0, &length, sizeof length);
    if (length > max_header || length > file_size_ - sizeof length) {
      file_.fail(str("its first 8 bytes announce a header of ", length, " bytes, but the file has ", file_size_,
                     " bytes and a header at most ", max_header, ": it is cut short or not a safetensors file"));
    }
    std::string text(length, '\0');
    read_bytes(sizeof length, text.data(), text.size());
    file_.data_start_ = sizeof length + length;
    const json header = parse(text);
    for (const auto& [name, value] : header.items()) {
      if (name == "__metadata__") {
        add_metadata(value);
      } else {
        add_tensor(name, value);
      }
    }
    check_cover();
  }

 private:
  void open() {
    // Without O_NONBLOCK a named pipe would wait for someone to write to it.
    const int number = ::open(file_.path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (number < 0) file_.fail(str("can not be opened (", std::generic_category().message(errno), ")"));
    file_.file_ = std::make_shared<const SafetensorsFile::Descriptor>(number);
    struct stat status {};
    if (::fstat(number, &status) != 0) file_.fail(std::generic_category().message(errno));
    if (S_ISDIR(status.st_mode)) file_.fail("is a folder; name the file in it");
    if (!S_ISREG(status.st_mode)) file_.fail("is not a regular file");
    file_size_ = static_cast<uint64_t>(status.st_size);
  }

  void read_bytes(uint64_t offset, void* out, std::size_t bytes) { file_.read_bytes("", offset, out, bytes); }

  json parse(const std::string& text) {
    if (text.empty() || text.front() != '{') file_.fail("its header is not a JSON object");
    std::set<std::string> seen;
    // Deep nesting is refused while parsing, before it costs memory; so are names that occur twice, of which the
    // parser would silently keep the last.
    const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
      const bool opens = event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
      if (opens && depth > 2) file_.fail("its header is nested deeper than that of a safetensors file");
      if (event == json::parse_event_t::key && depth == 1) {
        const auto& name = parsed.get_ref<const std::string&>();
        if (!seen.insert(name).second) file_.fail(name, "occurs twice in the header");
      }
      return true;
    };
    try {
      return json::parse(text, check);
    } catch (const json::parse_error& error) {
      file_.fail(str("its header is not valid JSON (at byte ", error.byte, ")"));
    } catch (const json::exception&) {
      file_.fail("its header has a number that is out of range");
    }
  }

  void add_metadata(const json& value) {
    if (!value.is_object()) file_.fail("its __metadata__ is not a JSON object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) file_.fail(str("the value of ", key, " in its __metadata__ is not a text"));
      file_.metadata_.emplace(key, text.get<std::string>());
    }
  }

  // A whole number that is not negative and fits int64, or nothing.
  static std::optional<int64_t> whole(const json& value) {
    if (!value.is_number_unsigned()) return {};
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return {};
    return static_cast<int64_t>(number);
  }

  void add_tensor(const std::string& name, const json& value) {
    if (!value.is_object()) file_.fail(name, "is not described by a JSON object");
    SafetensorsFile::Entry entry;
    const int64_t element = element_bytes(name, value, entry.info);
    add_sizes(name, value, entry.info);

    const auto offsets = value.find("data_offsets");
    if (offsets == value.end() || !offsets->is_array() || offsets->size() != 2) {
      file_.fail(name, "has no data_offsets with a begin and an end");
    }
    const auto begin = whole((*offsets)[0]);
    const auto end = whole((*offsets)[1]);
    const uint64_t data_size = file_size_ - file_.data_start_;
    if (!begin || !end || *begin > *end) file_.fail(name, str("has impossible data_offsets ", offsets->dump()));
    entry.begin = static_cast<uint64_t>(*begin);
    entry.end = static_cast<uint64_t>(*end);
    if (entry.end > data_size) {
      file_.fail(name, str("ends at byte ", entry.end, " of the data, but the file holds only ", data_size,
                           " bytes of data: it is cut short; copy or download it again"));
    }
    const int64_t bytes = entry.info.count * element;
    if (*end - *begin != bytes) {
      file_.fail(name, str("has ", *end - *begin, " bytes of data, but its type ", entry.info.dtype, " and shape ",
                           value["shape"].dump(), " need ", bytes));
    }
    file_.entries_.emplace(name, std::move(entry));
  }

  int64_t element_bytes(const std::string& name, const json& value, SafetensorsInfo& info) {
    const auto dtype = value.find("dtype");
    if (dtype == value.end() || !dtype->is_string()) file_.fail(name, "has no dtype");
    info.dtype = dtype->get<std::string>();
    const auto* type = std::ranges::find(element_types, info.dtype, &ElementType::name);
    if (type == element_types.end()) file_.fail(name, str("has the unknown type ", info.dtype));
    return type->bytes;
  }

  void add_sizes(const std::string& name, const json& value, SafetensorsInfo& info) {
    const auto sizes = value.find("shape");
    if (sizes == value.end() || !sizes->is_array()) file_.fail(name, "has no shape");
    int64_t product = 1;  // of the sizes that are not zero: also (2^62, 2^62, 0) has no place in an int64
    bool empty = false;
    for (const json& item : *sizes) {
      const auto size = whole(item);
      if (!size) file_.fail(name, str("has an impossible size in its shape: ", item.dump()));
      if (*size > 0 && product > max_count / *size) file_.fail(name, "has a shape with too many elements to count");
      product *= std::max<int64_t>(*size, 1);
      empty = empty || *size == 0;
      info.sizes.push_back(*size);
    }
    info.count = empty ? 0 : product;
  }

  // Every byte of the data belongs to one tensor.
  void check_cover() {
    using Item = std::map<std::string, SafetensorsFile::Entry>::const_pointer;
    std::vector<Item> order;
    for (const auto& item : file_.entries_) order.push_back(&item);
    std::ranges::sort(order, {}, [](Item item) { return std::pair(item->second.begin, item->second.end); });
    uint64_t covered = 0;
    for (const Item item : order) {
      if (item->second.begin < covered) file_.fail(item->first, "overlaps the data of the tensor before it");
      if (item->second.begin > covered) {
        file_.fail(item->first, str("leaves a gap of ", item->second.begin - covered, " bytes of data before it"));
      }
      covered = item->second.end;
    }
    const uint64_t data_size = file_size_ - file_.data_start_;
    if (covered != data_size)
      file_.fail(str("has ", data_size - covered, " bytes at its end that belong to no tensor"));
  }

  SafetensorsFile& file_;
  uint64_t file_size_ = 0;
};

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  SafetensorsFile file;
  file.path_ = path;
  SafetensorsHeader(file).read();
  return file;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const SafetensorsFile::Entry& SafetensorsFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail(str("has no tensor named ", name));
  return found->second;
}

void SafetensorsFile::read_bytes(const std::string& name, uint64_t offset, void* out, std::size_t bytes) const {
  const std::string what = name.empty() ? "header" : "tensor " + name;
  auto* to = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t got = ::pread(file_->number(), to, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(str(what, " can not be read (", std::generic_category().message(errno), ")"));
    if (got == 0) fail(str(what, " can not be read: the file became shorter since it was opened"));
    to += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
}

template <class Stored, class Out, class Convert>
void SafetensorsFile::read_as(const std::string& name, Out* out, Convert convert) const {
  const Entry& tensor = entry(name);
  const uint64_t start = data_start_ + tensor.begin;
  const auto count = static_cast<std::size_t>(tensor.info.count);
  if constexpr (std::is_same_v<Stored, Out>) {
    read_bytes(name, start, out, count * sizeof(Stored));
  } else {
    std::vector<Stored> part(std::min<std::size_t>(count, 1 << 16));
    for (std::size_t done = 0; done < count; done += part.size()) {
      part.resize(std::min(part.size(), count - done));
      read_bytes(name, start + done * sizeof(Stored), part.data(), part.size() * sizeof(Stored));
      std::ranges::transform(part, out + done, convert);
    }
  }
}

void SafetensorsFile::read_into(const std::string& name, real* out, int64_t count) const {
  const SafetensorsInfo& tensor = info(name);
  if (tensor.count != count) fail(name, str("has ", tensor.count, " numbers, but ", count, " were asked for"));
  const auto nearest = [](auto stored) { return static_cast<real>(stored); };
  if (tensor.dtype == "F32") return read_as<float>(name, out, nearest);
  if (tensor.dtype == "F64") return read_as<double>(name, out, nearest);
  if (tensor.dtype == "F16") return read_as<uint16_t>(name, out, from_half);
  if (tensor.dtype == "BF16") return read_as<uint16_t>(name, out, from_bfloat16);
  if (tensor.dtype == "I32") return read_as<int32_t>(name, out, nearest);
  if (tensor.dtype == "I64") return read_as<int64_t>(name, out, nearest);
  fail(name, str("has type ", tensor.dtype, ", which can not be read; F32, F64, F16, BF16, I32 and I64 can"));
}

Tensor SafetensorsFile::read(const std::string& name) const {
  const SafetensorsInfo& tensor = info(name);
  if (tensor.sizes.size() > static_cast<std::size_t>(Shape::max_rank)) {
    fail(name, str("has ", tensor.sizes.size(), " axes, more than the ", Shape::max_rank, " that a tensor can have"));
  }
  Tensor result = Tensor::uninitialized(tensor.shape());
  read_into(name, result.mutable_data(), result.size());
  return result;
}

std::vector<int64_t> SafetensorsFile::read_integers(const std::string& name) const {
  const SafetensorsInfo& tensor = info(name);
  std::vector<int64_t> numbers(static_cast<std::size_t>(tensor.count));
  const auto widen = [](auto stored) { return static_cast<int64_t>(stored); };
  if (tensor.dtype == "I32") {
    read_as<int32_t>(name, numbers.data(), widen);
  } else if (tensor.dtype == "I64") {
    read_as<int64_t>(name, numbers.data(), widen);
  } else {
    fail(name, str("has type ", tensor.dtype, ", but whole numbers of type I32 or I64 are expected"));
  }
  return numbers;
}

}  // namespace tape::inline TAPE_ABI
