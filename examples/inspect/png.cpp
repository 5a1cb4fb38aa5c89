#include <tape/examples/inspect/png.h>

#include <zlib.h>

#include <algorithm>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::inspect {

namespace {

// The four bytes of a number, the highest first.
std::string big_endian(uint64_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xFF);
  return bytes;
}

std::string chunk(std::string_view type, std::string_view data) {
  std::string body(type);
  body += data;
  const uLong check = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(data.size()) + body + big_endian(check);
}

std::string compressed(const std::string& bytes) {
  uLongf size = ::compressBound(bytes.size());
  std::string result(size, '\0');
  const int code = ::compress2(reinterpret_cast<Bytef*>(result.data()), &size,
                               reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), Z_BEST_COMPRESSION);
  if (code != Z_OK) throw Error(str("png: zlib failed with code ", code));
  result.resize(size);
  return result;
}

}  // namespace

std::string png_of(const IndexedImage& image, std::span<const Colour> palette) {
  if (image.width < 1 || image.height < 1 || std::ssize(image.pixels) != image.width * image.height)
    throw Error(str("png: ", image.pixels.size(), " pixels are no picture of ", image.width, " × ", image.height));
  if (palette.empty() || palette.size() > 256)
    throw Error(str("png: a palette has 1 to 256 colours, this one ", palette.size()));
  std::string colours;
  for (const Colour& c : palette)
    for (const uint8_t part : {c.red, c.green, c.blue}) colours += static_cast<char>(part);
  std::string rows;  // each begins with its filter: 0, none
  for (int64_t y = 0; y < image.height; ++y) {
    rows += '\0';
    const auto* row = reinterpret_cast<const char*>(image.pixels.data()) + y * image.width;
    rows.append(row, static_cast<std::size_t>(image.width));
  }
  const std::string depth_8_indexed{8, 3, 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" +
         chunk("IHDR", big_endian(static_cast<uint64_t>(image.width)) +
                           big_endian(static_cast<uint64_t>(image.height)) + depth_8_indexed) +
         chunk("PLTE", colours) + chunk("IDAT", compressed(rows)) + chunk("IEND", "");
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k) text += k <= count ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace tape::inline TAPE_ABI::inspect
