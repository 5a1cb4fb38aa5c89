// PNG: maps of many small numbers, one byte each, as pictures that any browser shows without a script.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::inspect {

struct Colour {
  uint8_t red, green, blue;
  bool operator==(const Colour&) const = default;
};

/// Pixels row by row from the top, each the number of its colour in a palette.
struct IndexedImage {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> pixels = {};
};

/// The file's bytes, compressed by zlib. Throws Error for an image without pixels or with another number of them than
/// width·height, and for a palette of none or more than 256 colours.
std::string png_of(const IndexedImage& image, std::span<const Colour> palette);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

}  // namespace tape::inline TAPE_ABI::inspect
