// Texts and the character tokenizer: UTF-8 in and out, files that are not what they should be, messages.
#include <tape/examples/support/text.h>
#include <tape/examples/support/tokenizer.h>

#include "catch.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

namespace tape::inline TAPE_ABI::test {

using tool::CharTokenizer;

TEST_CASE("UTF-8 of one to four bytes is decoded, and encoded again to the same bytes", "[tool]") {
  const std::string bytes = "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F\xDF\xBF\xEF\xBF\xBF\xF4\x8F\xBF\xBF";
  const std::u32string text = tool::decode_utf8(bytes, "here");
  CHECK(text == U"Aé€\U0001F600\x7F\u07FF\uFFFF\U0010FFFF");
  CHECK(tool::encode_utf8(text) == bytes);
  CHECK(tool::decode_utf8("", "here").empty());
  CHECK(tool::decode_utf8(std::string_view("a\0b", 3), "here").size() == 3);
}

TEST_CASE("What is not UTF-8 is refused with its byte, offset and line", "[tool]") {
  const auto message_of = [](std::string_view bytes) {
    return error_of([&] { tool::decode_utf8(bytes, "book.txt"); });
  };
  CHECK(has_parts(message_of("caf\xE9 au lait"), {"book.txt is not UTF-8", "0xE9", "offset 3", "line 1", "iconv"}));
  CHECK(has_parts(message_of("one\ntwo\n\xFFthree"), {"0xFF", "offset 8", "line 3"}));
  const std::vector<std::string> wrong = {"\x80",              // a continuation without a beginning
                                          "\xC3",              // a beginning without a continuation
                                          "\xE2\x82",          // cut off
                                          "\xF0\x9F\x98",      // cut off
                                          "\xC3\x28",          // continued by something else
                                          "\xC0\xAF",          // longer than needed
                                          "\xE0\x9F\xBF",      // longer than needed
                                          "\xF0\x8F\xBF\xBF",  // longer than needed
                                          "\xED\xA0\x80",      // a surrogate
                                          "\xF4\x90\x80\x80",  // over U+10FFFF
                                          "\xF5\x80\x80\x80",
                                          "\xFE"};
  for (const std::string& bytes : wrong) {
    INFO(tool::character_name(static_cast<unsigned char>(bytes[0])) << ", " << bytes.size() << " bytes");
    CHECK(has_parts(message_of("ab" + bytes), {"not UTF-8", "offset 2"}));
  }
}

TEST_CASE("A text file loses its byte order mark and the returns of its line ends", "[tool]") {
  const TempFolder folder;
  write_file(folder / "dos.txt", "\xEF\xBB\xBFone\r\ntwo\r\n\r\nthree\rfour");
  CHECK(tool::read_text(folder / "dos.txt") == U"one\ntwo\n\nthree\rfour");
}

TEST_CASE("A text that can not be used is refused with its path", "[tool]") {
  const TempFolder folder;
  const auto message_of = [&](const std::string& path) { return error_of([&] { tool::read_text(path); }); };
  CHECK(has_parts(message_of(folder / "nothing.txt"), {"there is no file", "nothing.txt"}));
  CHECK(has_parts(message_of(folder.path()), {folder.path(), "is a folder"}));
  CHECK(has_parts(message_of("/dev/zero"), {"/dev/zero", "is a device"}));
  write_file(folder / "empty.txt", "");
  CHECK(has_parts(message_of(folder / "empty.txt"), {"empty.txt", "is empty"}));
  write_file(folder / "mark.txt", "\xEF\xBB\xBF");
  CHECK(has_parts(message_of(folder / "mark.txt"), {"mark.txt", "is empty"}));
  CHECK(has_parts(message_of((folder / "empty.txt") + "/below"), {"can not read", "below"}));
}

TEST_CASE("The vocabulary is the text's characters in the order of their code points", "[tool]") {
  const CharTokenizer tokenizer = CharTokenizer::of(U"banana é\n");
  CHECK(tokenizer.size() == 6);
  CHECK(tokenizer.decode({0, 1, 2, 3, 4, 5}) == "\n abn\xC3\xA9");
  CHECK(tokenizer.encode(U"ban", "text") == std::vector<int32_t>{3, 2, 4});
  CHECK(tokenizer.decode(tokenizer.encode(U"nab é", "text")) == "nab \xC3\xA9");
  CHECK(tokenizer.contains(U'é'));
  CHECK_FALSE(tokenizer.contains(U'z'));
  CHECK(has_parts(error_of([&] { tokenizer.decode(6); }), {"no token 6", "0 to 5"}));
  CHECK(has_parts(error_of([&] { tokenizer.decode(-1); }), {"no token -1"}));
  CHECK(has_parts(error_of([] { CharTokenizer::of(U""); }), {"without characters"}));
}

TEST_CASE("An unknown character is named with its position", "[tool]") {
  const CharTokenizer tokenizer = CharTokenizer::of(U"abc");
  CHECK(has_parts(error_of([&] { tokenizer.encode(U"abçd", "--prompt"); }),
                  {"--prompt", "\"\xC3\xA7\" (U+00E7)", "position 3", "3 characters"}));
  CHECK(has_parts(error_of([&] { tokenizer.encode(U"a\n", "--prompt"); }), {"U+000A", "position 2"}));
}

TEST_CASE("A tokenizer is saved and loaded", "[tool]") {
  const TempFolder folder;
  const CharTokenizer tokenizer = CharTokenizer::of(std::u32string(U"\0\n\"\\ aé€\U0001F600", 9));
  tokenizer.save(folder / "tokenizer.json");
  CHECK(CharTokenizer::load(folder / "tokenizer.json") == tokenizer);
  CHECK(folder.entries() == 1);
}

TEST_CASE("A damaged tokenizer file is refused with its path and the reason", "[tool]") {
  const TempFolder folder;
  const std::string path = folder / "tokenizer.json";
  const auto message_of = [&](const std::string& bytes) {
    write_file(path, bytes);
    return error_of([&] { CharTokenizer::load(path); });
  };
  const auto with_list = [](const std::string& list) {
    return R"({"type": "characters", "characters": )" + list + "}";
  };
  CHECK(has_parts(message_of(""), {path, "not valid JSON"}));
  CHECK(has_parts(message_of(with_list("[\"a\"]").substr(0, 30)), {path, "not valid JSON"}));
  CHECK(has_parts(message_of("[]"), {path, "\"type\""}));
  CHECK(has_parts(message_of(R"({"type": "bpe"})"), {"\"type\" must be \"characters\""}));
  CHECK(has_parts(message_of(R"({"type": "characters"})"), {"list with entries"}));
  CHECK(has_parts(message_of(with_list("[]")), {"list with entries"}));
  CHECK(has_parts(message_of(with_list("\"ab\"")), {"list with entries"}));
  CHECK(has_parts(message_of(with_list("[1]")), {"not a string"}));
  CHECK(has_parts(message_of(with_list(R"(["ab"])")), {"not a single character"}));
  CHECK(has_parts(message_of(with_list(R"([""])")), {"not a single character"}));
  CHECK(has_parts(message_of(with_list(R"(["b", "a"])")), {"not in order"}));
  CHECK(has_parts(message_of(with_list(R"(["a", "a"])")), {"not in order"}));
  write_file(path, with_list(R"(["a", "b"])"));
  CHECK(CharTokenizer::load(path).size() == 2);
}

}  // namespace tape::inline TAPE_ABI::test
