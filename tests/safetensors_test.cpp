// Safetensors files: what is saved is loaded, other writers' types are read, and no file, however damaged, does harm.
#include <tape/core/safetensors.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "catch.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

using namespace tape;
using namespace tape::test;

namespace {

using Named = std::vector<std::pair<std::string, Tensor>>;

std::string bytes_of(const auto& values) {
  std::string bytes(values.size() * sizeof(values[0]), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// A file as another program might write it: the length of the header, the header, the data.
std::string file_of(const std::string& header, const std::string& data) {
  return bytes_of(std::vector<uint64_t>{header.size()}) + header + data;
}

std::string describe(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

uint64_t header_length(const std::string& file) {
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  return length;
}

}  // namespace

TEST_CASE("tensors of every rank come back bit for bit", "[file][safetensors]") {
  const TempFolder folder;
  const std::string path = folder / "model.safetensors";
  Tensor special = Tensor::from({4}, {-0.0F, std::numeric_limits<real>::infinity(),
                                      std::numeric_limits<real>::quiet_NaN(), std::numeric_limits<real>::denorm_min()});
  const Named tensors = {{"scalar", Tensor::scalar(2.5F)},
                         {"blocks.0.attn.weight", random_tensor({5, 7}, 1)},
                         {"empty", Tensor::zeros({3, 0, 2})},
                         {"rank six", random_tensor({2, 1, 3, 1, 2, 2}, 2)},
                         {"special", special},
                         {"Überschrift ✓ \"quoted\"", random_tensor({33}, 3)}};
  const std::map<std::string, std::string> metadata = {{"config", R"({"layers": 3})"}, {"notiz", "grün"}};
  save_safetensors(path, tensors, metadata);

  const SafetensorsFile file = SafetensorsFile::open(path);
  CHECK(file.metadata() == metadata);
  CHECK(file.path() == path);
  CHECK(file.names().size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    INFO(name);
    REQUIRE(file.contains(name));
    CHECK(file.info(name).dtype == (sizeof(real) == 4 ? "F32" : "F64"));
    CHECK(file.info(name).shape() == tensor.shape());
    CHECK(file.info(name).count == tensor.size());
    CHECK(same_bits(file.read(name), tensor));
  }
  CHECK(folder.entries() == 1);
}

TEST_CASE("a file without tensors or metadata can be saved and loaded", "[file][safetensors]") {
  const TempFolder folder;
  save_safetensors(folder / "none", {});
  const SafetensorsFile file = SafetensorsFile::open(folder / "none");
  CHECK(file.names().empty());
  CHECK(file.metadata().empty());
}

TEST_CASE("the bytes of a file are those of the format", "[file][safetensors]") {
  const TempFolder folder;
  save_safetensors(folder / "one", {{"b", Tensor::from({1, 2}, {1, -2})}}, {{"k", "v"}});
  std::string header = R"({"__metadata__":{"k":"v"},"b":{"data_offsets":[0,8],"dtype":"F32","shape":[1,2]}})";
  header.resize(120, ' ');  // with the 8 bytes before it: a multiple of 64
  CHECK(read_file(folder / "one") == file_of(header, bytes_of(std::vector<float>{1, -2})));
}

TEST_CASE("the layout is aligned and does not depend on the order of the tensors", "[file][safetensors]") {
  const TempFolder folder;
  Named tensors = {{"d", random_tensor({3}, 1)},
                   {"c", random_tensor({16}, 2)},
                   {"b", random_tensor({5}, 3)},
                   {"a", random_tensor({32}, 4)},
                   {"e", random_tensor({48}, 5)}};
  save_safetensors(folder / "forward", tensors);
  std::ranges::reverse(tensors);
  save_safetensors(folder / "backward", tensors);
  const std::string bytes = read_file(folder / "forward");
  CHECK(bytes == read_file(folder / "backward"));

  // a, c and e have whole multiples of 64 bytes: in front, they and the first tensor after them start aligned.
  std::map<std::string, Tensor> by_name(tensors.begin(), tensors.end());
  std::string expected;
  for (const char* name : {"a", "c", "e", "b", "d"}) expected += bytes_of(by_name[name].values());
  const std::size_t start = 8 + header_length(bytes);
  CHECK(start % 64 == 0);
  CHECK(bytes.substr(start) == expected);
}

TEST_CASE("what can not be saved is refused and leaves the old file", "[file][safetensors]") {
  const TempFolder folder;
  const std::string path = folder / "model.safetensors";
  save_safetensors(path, {{"old", Tensor::scalar(1)}});
  const std::string before = read_file(path);
  const Tensor x = Tensor::scalar(2);
  const auto save = [&](const Named& tensors, const std::map<std::string, std::string>& metadata = {}) {
    return error_of([&] { save_safetensors(path, tensors, metadata); });
  };
  CHECK(has_parts(save({{"twin", x}, {"other", x}, {"twin", x}}), {path, "twin"}));
  CHECK(has_parts(save({{"__metadata__", x}}), {path, "__metadata__"}));
  CHECK(has_parts(save({{"nothing", Tensor()}}), {path, "nothing", "missing"}));
  CHECK(has_parts(save({{"bad \xff name", x}}), {path, "UTF-8"}));
  CHECK(has_parts(save({{"x", x}}, {{"key", "\xc3"}}), {path, "UTF-8"}));
  CHECK(has_parts(error_of([&] { save_safetensors("/dev/full", {{"x", x}}); }), {"/dev/full"}));
  CHECK(read_file(path) == before);
  CHECK(folder.entries() == 1);
}

TEST_CASE("all 65536 numbers of F16 and of BF16 are read exactly", "[file][safetensors]") {
  const TempFolder folder;
  std::vector<uint16_t> patterns(65536);
  std::iota(patterns.begin(), patterns.end(), uint16_t{0});
  const std::string halves = bytes_of(patterns);
  write_file(folder / "16", file_of("{\"h\":" + describe("F16", "[256,256]", "[0,131072]") +
                                        ",\"b\":" + describe("BF16", "[256,256]", "[131072,262144]") + "}",
                                    halves + halves));
  const SafetensorsFile file = SafetensorsFile::open(folder / "16");

  // The value of a pattern from the definition: sign, then exponent, then fraction.
  const auto value = [](unsigned pattern, int fraction_bits, int bias) {
    const int fraction = static_cast<int>(pattern & ((1U << fraction_bits) - 1));
    const int exponent = static_cast<int>((pattern & 0x7fff) >> fraction_bits);
    const bool top = exponent == (0x7fff >> fraction_bits);
    const double sign = pattern & 0x8000 ? -1 : 1;
    if (top) return fraction ? std::nan("") : sign * std::numeric_limits<double>::infinity();
    if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
    return sign * std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
  };
  for (const auto& [name, fraction_bits, bias] : {std::tuple("h", 10, 15), std::tuple("b", 7, 127)}) {
    const Tensor tensor = file.read(name);
    int wrong = 0;
    for (unsigned pattern = 0; pattern < 65536; ++pattern) {
      const double expected = value(pattern, fraction_bits, bias);
      const double got = static_cast<double>(tensor.data()[pattern]);
      const bool same = std::isnan(expected) ? std::isnan(got) : got == expected;
      wrong += !same || std::signbit(got) != ((pattern & 0x8000) != 0);
    }
    INFO(name);
    CHECK(wrong == 0);
  }
}

TEST_CASE("F32, F64, I32 and I64 are read as real, and integers as they are", "[file][safetensors]") {
  const TempFolder folder;
  const std::vector<int64_t> big = {0, -1, (int64_t{1} << 53) + 1, std::numeric_limits<int64_t>::min()};
  const std::vector<int32_t> small = {7, -8, std::numeric_limits<int32_t>::max()};
  write_file(folder / "mixed",
             file_of("{\"f64\":" + describe("F64", "[2]", "[0,16]") + ",\"i64\":" + describe("I64", "[4]", "[16,48]") +
                         ",\"i32\":" + describe("I32", "[3]", "[48,60]") + ",\"f32\":" +
                         describe("F32", "[]", "[60,64]") + ",\"mask\":" + describe("BOOL", "[2]", "[64,66]") +
                         ",\"deep\":" + describe("F32", "[1,1,1,1,1,1,1]", "[66,70]") + "}",
                     bytes_of(std::vector{0.1, -3e300}) + bytes_of(big) + bytes_of(small) +
                         bytes_of(std::vector{0.25F}) + "\1" + std::string(1, '\0') + bytes_of(std::vector{1.5F})));
  const SafetensorsFile file = SafetensorsFile::open(folder / "mixed");
  CHECK(file.read("f64").data()[0] == static_cast<real>(0.1));
  CHECK(file.read("f64").data()[1] == -std::numeric_limits<real>::infinity());
  CHECK(file.read("i64").data()[3] == static_cast<real>(-0x1p63));
  CHECK(file.read("i32").data()[1] == real{-8});
  CHECK(file.read("f32").rank() == 0);
  CHECK(file.read("f32").item() == real{0.25});
  CHECK(file.read_integers("i64") == big);
  CHECK(file.read_integers("i32") == std::vector<int64_t>(small.begin(), small.end()));

  std::vector<real> into(3, 0);
  file.read_into("i32", into.data(), 3);
  CHECK(into[0] == real{7});

  CHECK(file.info("deep").sizes.size() == 7);
  CHECK(has_parts(error_of([&] { file.read("deep"); }), {file.path(), "deep", "7", "6"}));
  CHECK(has_parts(error_of([&] { file.read("mask"); }), {file.path(), "mask", "BOOL"}));
  CHECK(has_parts(error_of([&] { file.read("absent"); }), {file.path(), "absent"}));
  CHECK(has_parts(error_of([&] { file.info("absent"); }), {file.path(), "absent"}));
  CHECK(has_parts(error_of([&] { file.read_integers("f64"); }), {file.path(), "f64", "F64"}));
  CHECK(has_parts(error_of([&] { file.read_into("i32", into.data(), 4); }), {file.path(), "i32", "3", "4"}));
}

TEST_CASE("a long tensor is converted in parts without a seam", "[file][safetensors]") {
  const TempFolder folder;
  std::vector<int64_t> numbers((1 << 17) + 5);
  std::iota(numbers.begin(), numbers.end(), int64_t{-3});
  const std::string count = std::to_string(numbers.size());
  const std::string header =
      "{\"n\":" + describe("I64", "[" + count + "]", "[0," + std::to_string(numbers.size() * 8) + "]") + "}";
  write_file(folder / "long", file_of(header, bytes_of(numbers)));
  const SafetensorsFile file = SafetensorsFile::open(folder / "long");
  const Tensor tensor = file.read("n");
  CHECK(std::ranges::equal(tensor.values(), numbers, [](real a, int64_t b) { return a == static_cast<real>(b); }));
}

TEST_CASE("every kind of damaged file is refused by a message that names it", "[file][safetensors]") {
  struct Damage {
    const char* what;
    std::string bytes;
    std::vector<std::string> parts;
  };
  const std::string eight = "12345678";
  const auto f32 = [](const std::string& shape, const std::string& offsets) { return describe("F32", shape, offsets); };
  const auto one = [&](const std::string& entry) { return file_of("{\"weight\":" + entry + "}", eight); };
  const std::string good = one(f32("[2]", "[0,8]"));
  const std::string deep(1000, '[');
  const std::vector<Damage> damages = {
      {"empty", "", {"0 bytes"}},
      {"shorter than the length", "1234567", {"7 bytes"}},
      {"header longer than the file", bytes_of(std::vector<uint64_t>{9}) + "{}", {"9 bytes"}},
      {"header length overflows", bytes_of(std::vector<uint64_t>{~uint64_t{0}}) + "{}", {"18446744073709551615"}},
      {"no header", file_of("", ""), {"JSON object"}},
      {"header is an array", file_of("[]", ""), {"JSON object"}},
      {"header is text", file_of("hello", ""), {"JSON object"}},
      {"header ends too soon", file_of("{\"weight\":", eight), {"JSON", "byte 11"}},
      {"bytes after the object", file_of("{} x", ""), {"JSON"}},
      {"not UTF-8", file_of("{\"\xff\":1}", ""), {"JSON"}},
      {"number out of range", one(f32("[1e999]", "[0,8]")), {"number"}},
      {"nested deeply", file_of("{\"weight\":" + deep, ""), {"nested"}},
      {"name twice",
       file_of("{\"weight\":" + f32("[1]", "[0,4]") + ",\"weight\":" + f32("[1]", "[4,8]") + "}", eight),
       {"weight", "twice"}},
      {"metadata is a list", file_of("{\"__metadata__\":[]}", ""), {"__metadata__"}},
      {"metadata holds a number", file_of("{\"__metadata__\":{\"step\":3}}", ""), {"step", "__metadata__"}},
      {"tensor is a number", one("3"), {"weight"}},
      {"no type", one(R"({"shape":[2],"data_offsets":[0,8]})"), {"weight", "dtype"}},
      {"type is a number", one(R"({"dtype":1,"shape":[2],"data_offsets":[0,8]})"), {"weight", "dtype"}},
      {"unknown type", one(describe("F31", "[2]", "[0,8]")), {"weight", "F31"}},
      {"no shape", one(R"({"dtype":"F32","data_offsets":[0,8]})"), {"weight", "shape"}},
      {"shape is a number", one(f32("2", "[0,8]")), {"weight", "shape"}},
      {"negative size", one(f32("[-2]", "[0,8]")), {"weight", "-2"}},
      {"fractional size", one(f32("[2.0]", "[0,8]")), {"weight", "2.0"}},
      {"size beyond int64", one(f32("[9223372036854775808]", "[0,8]")), {"weight", "9223372036854775808"}},
      {"shape overflows", one(f32("[4294967296,4294967296]", "[0,8]")), {"weight", "shape"}},
      {"shape wraps to the right size", one(f32("[9223372036854775807,2,2]", "[0,8]")), {"weight", "shape"}},
      {"empty shape overflows", one(f32("[4611686018427387904,4,0]", "[0,0]")), {"weight", "shape"}},
      {"bytes overflow", one(f32("[4611686018427387904]", "[0,8]")), {"weight", "shape"}},
      {"no offsets", one(R"({"dtype":"F32","shape":[2]})"), {"weight", "data_offsets"}},
      {"three offsets", one(f32("[2]", "[0,4,8]")), {"weight", "data_offsets"}},
      {"negative offset", one(f32("[2]", "[-8,0]")), {"weight", "[-8,0]"}},
      {"offsets backwards", one(f32("[2]", "[8,0]")), {"weight", "[8,0]"}},
      {"offsets out of the file", one(f32("[3]", "[0,12]")), {"weight", "12", "8 bytes"}},
      {"length is not type times shape", one(f32("[1]", "[0,8]")), {"weight", "F32", "[1]", "8", "4"}},
      {"overlap",
       file_of("{\"a\":" + f32("[2]", "[0,8]") + ",\"weight\":" + f32("[1]", "[4,8]") + "}", eight),
       {"weight", "overlaps"}},
      {"gap before", one(f32("[1]", "[4,8]")), {"weight", "gap"}},
      {"gap between",
       file_of("{\"a\":" + f32("[0]", "[0,0]") + ",\"weight\":" + f32("[1]", "[4,8]") + "}", eight),
       {"weight", "gap"}},
      {"bytes left at the end", one(f32("[1]", "[0,4]")), {"4 bytes"}},
      {"data cut short", good.substr(0, good.size() - 1), {"weight", "7 bytes", "cut short"}},
  };
  const TempFolder folder;
  const std::string path = folder / "broken.safetensors";
  write_file(path, good);
  CHECK(SafetensorsFile::open(path).read("weight").size() == 2);
  for (const Damage& damage : damages) {
    INFO(damage.what);
    write_file(path, damage.bytes);
    const std::string message = error_of([&] { SafetensorsFile::open(path); });
    CHECK(has_parts(message, {path}));
    for (const std::string& part : damage.parts) CHECK(has_parts(message, {part}));
  }
}

TEST_CASE("what is no readable file is refused", "[file][safetensors]") {
  const TempFolder folder;
  const auto open = [](const std::string& path) { return error_of([&] { SafetensorsFile::open(path); }); };
  CHECK(has_parts(open(folder / "missing"), {folder / "missing", "No such file"}));
  CHECK(has_parts(open(folder.path()), {folder.path(), "folder"}));
  CHECK(has_parts(open("/dev/null"), {"/dev/null", "regular"}));
}

TEST_CASE("a header above 100 MB is refused before it is read", "[file][safetensors]") {
  const TempFolder folder;
  const std::string path = folder / "huge";
  write_file(path, bytes_of(std::vector<uint64_t>{100'000'001}) + "{}");
  std::filesystem::resize_file(path, 100'000'100);  // a hole: takes no disk
  CHECK(has_parts(error_of([&] { SafetensorsFile::open(path); }), {path, "100000001", "100000000"}));
}

TEST_CASE("a file that shrinks while it is open gives an error", "[file][safetensors]") {
  const TempFolder folder;
  const std::string path = folder / "shrinks";
  save_safetensors(path, {{"weight", random_tensor({100}, 1)}});
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  CHECK(has_parts(error_of([&] { file.read("weight"); }), {path, "weight", "shorter"}));
}

TEST_CASE("no change of bytes makes loading crash", "[file][safetensors]") {
  const TempFolder folder;
  const std::string path = folder / "fuzz";
  save_safetensors(path,
                   {{"weight", random_tensor({3, 4}, 1)}, {"bias", random_tensor({3}, 2)}, {"e", Tensor::zeros({0})}},
                   {{"config", "{}"}});
  const std::string good = read_file(path);
  int refused = 0;
  int loaded = 0;
  const auto attempt = [&](const std::string& bytes) {
    std::filesystem::remove(path);  // some file systems wait for the disk when a file is written over
    write_file(path, bytes);
    try {
      const SafetensorsFile file = SafetensorsFile::open(path);
      for (const std::string& name : file.names()) {
        if (file.read(name).size() != file.info(name).count) FAIL("a tensor of the wrong size was loaded");
      }
      ++loaded;
    } catch (const Error& error) {
      ++refused;
      if (!has_parts(error.what(), {path})) FAIL("the message does not name the file");
    }
  };

  for (std::size_t length = 0; length < good.size(); ++length) attempt(good.substr(0, length));
  CHECK(loaded == 0);  // every truncation is noticed

  const std::string replacements = std::string("\"{}[],:-.09eFI \\\xff", 17) + '\0';
  for (std::size_t place = 0; place < good.size(); ++place) {
    for (const char replacement : replacements) {
      std::string bytes = good;
      bytes[place] = replacement;
      attempt(bytes);
    }
  }
  CHECK(loaded > 100);  // those in the numbers, at least
  CHECK(refused > 2000);

  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = good;
    for (int change = 0; change < 4; ++change) {
      const std::size_t from = random() % 256;
      const std::size_t count = random() % 8;
      switch (random() % 3) {
        case 0:
          bytes[from] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(from, count);
          break;
        default:
          bytes.insert(random() % 256, bytes.substr(from, count));
          break;
      }
    }
    bytes[0] = static_cast<char>(bytes.size() % 256);
    attempt(bytes);
  }
}
