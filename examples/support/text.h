// Texts as sequences of characters. A character is one Unicode code point; files are UTF-8.
#pragma once

#include <string>
#include <string_view>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::tool {

/// The characters of a text file, without a byte order mark and with line ends as \n (from \r\n).
/// Throws Error for a file that can not be read, is empty or is not UTF-8; the last names the first wrong byte.
std::u32string read_text(const std::string& path);

/// Decodes UTF-8. Throws Error "SOURCE is not UTF-8: byte 0xE9 at offset 12 in line 1…" for anything that the standard
/// forbids: stray and missing continuation bytes, forms longer than needed, surrogates, numbers over U+10FFFF.
std::u32string decode_utf8(std::string_view bytes, const std::string& source);

/// Encodes as UTF-8.
std::string encode_utf8(char32_t character);
std::string encode_utf8(std::u32string_view text);

/// A character for messages: "é" (U+00E9), or U+000A alone when it can not be seen.
std::string character_name(char32_t character);

}  // namespace tape::inline TAPE_ABI::tool
