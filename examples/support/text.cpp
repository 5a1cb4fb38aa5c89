#include <tape/examples/support/text.h>

#include <fmt/format.h>

#include <algorithm>

#include <tape/examples/support/files.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

unsigned byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

// One code point and how many bytes it takes; 0 bytes when they are not UTF-8.
struct Decoded {
  char32_t character = 0;
  std::size_t bytes = 0;
};

Decoded decode_one(std::string_view bytes, std::size_t at) {
  const unsigned first = byte_at(bytes, at);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + length > bytes.size()) return {};
  char32_t character = first & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const unsigned next = byte_at(bytes, at + i);
    if ((next & 0xC0) != 0x80) return {};
    character = character << 6 | (next & 0x3F);
  }
  const bool longer_than_needed = (length == 3 && character < 0x800) || (length == 4 && character < 0x10000);
  const bool surrogate = character >= 0xD800 && character < 0xE000;
  if (longer_than_needed || surrogate || character > 0x10FFFF) return {};
  return {character, length};
}

}  // namespace

std::u32string decode_utf8(std::string_view bytes, const std::string& source) {
  std::u32string text;
  text.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const Decoded one = decode_one(bytes, at);
    if (one.bytes == 0) {
      const auto line = 1 + std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at), '\n');
      throw Error(fmt::format(
          "{} is not UTF-8: byte 0x{:02X} at offset {} in line {}; if it is in another encoding, convert it, "
          "for example with iconv -f latin1 -t utf-8",
          source, byte_at(bytes, at), at, line));
    }
    text.push_back(one.character);
    at += one.bytes;
  }
  return text;
}

std::u32string read_text(const std::string& path) {
  std::u32string text = decode_utf8(read_file(path), path);
  if (!text.empty() && text.front() == U'\uFEFF') text.erase(0, 1);
  std::size_t end = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == U'\r' && i + 1 < text.size() && text[i + 1] == U'\n') continue;
    text[end++] = text[i];
  }
  text.resize(end);
  if (text.empty()) throw Error(str(path, " is empty"));
  return text;
}

std::string encode_utf8(char32_t c) {
  const auto low = [c](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), low(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), low(6), low(0)};
  return {static_cast<char>(0xF0 | c >> 18), low(12), low(6), low(0)};
}

std::string encode_utf8(std::u32string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t c : text) bytes += encode_utf8(c);
  return bytes;
}

std::string character_name(char32_t character) {
  const std::string number = fmt::format("U+{:04X}", static_cast<uint32_t>(character));
  const bool visible = character > 0x20 && character != 0x7F && !(character >= 0x80 && character < 0xA1);
  return visible ? fmt::format("\"{}\" ({})", encode_utf8(character), number) : number;
}

}  // namespace tape::inline TAPE_ABI::tool
