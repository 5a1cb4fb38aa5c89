// Inspection: what is observed is what the model computes, maps are pictures of it, and the page is whole.
#include <tape/examples/inspect/maps.h>
#include <tape/examples/inspect/observation.h>
#include <tape/examples/inspect/page.h>

#include <zlib.h>

#include <cmath>
#include <map>
#include <regex>
#include <set>

#include <tape/core/ops/loss.h>
#include <tape/core/probe.h>

#include "catch.h"
#include "support/html.h"
#include "support/nn_models.h"
#include "support/temp_folder.h"

namespace tape::inline TAPE_ABI::test {

using namespace inspect;
using nn::Architecture;

namespace {

constexpr std::u32string_view characters = U"\n <abcdefgh&";

struct Subject {
  tool::SavedRun run;
  tool::Model model;
};

Subject subject_of(Architecture architecture, nn::ModelConfig config = {.layers = 3, .heads = 2, .width = 16}) {
  const tool::CharTokenizer tokenizer = tool::CharTokenizer::of(characters);
  config.vocab = tool::vocabulary(tokenizer, architecture);
  config.context = 12;
  tool::RunConfig run{.architecture = architecture, .model = config, .recipe = {}, .reporting = {}, .text = {}};
  tool::Model model(architecture, config, Seed{1});
  randomize(nn::parameters(model), 2);
  return {{run, tokenizer}, std::move(model)};
}

TextRequest request_for(Architecture architecture, const std::string& text = "ab <&\ngh") {
  return {.text = text,
          .target = architecture == Architecture::EncoderDecoder ? std::optional<std::string>("cab") : std::nullopt,
          .mask = std::nullopt};
}

// Everything that taps show, by name.
std::map<std::string, Tensor> taps_of(const Subject& s, const Input& input) {
  std::map<std::string, Tensor> seen;
  const Probe probe([&](const std::string& name, Pass, const Tensor& x) { seen[name] = x.copy(); },
                    {.asked = {"hook_pattern"}});
  s.model(input.batch, nn::evaluation());
  return seen;
}

double rms_of_row(const Tensor& x, std::size_t row) {
  double squares = 0;
  for (int64_t c = 0; c < x.last(); ++c) {
    const auto value = static_cast<double>(x.data()[static_cast<int64_t>(row) * x.last() + c]);
    squares += value * value;
  }
  return std::sqrt(squares / static_cast<double>(x.last()));
}

constexpr Architecture all[] = {Architecture::DecoderOnly, Architecture::EncoderOnly, Architecture::EncoderDecoder};

int64_t count_of(const std::string& text, const std::string& part) {
  int64_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("What is observed is what taps show, for each architecture", "[inspect]") {
  for (const Architecture architecture : all) {
    INFO(tool::name_of(architecture));
    const Subject s = subject_of(architecture);
    const Input input = input_of(s.run, s.model, request_for(architecture));
    const Observation seen = observe(s.run, s.model, input);
    const std::map<std::string, Tensor> taps = taps_of(s, input);
    REQUIRE(seen.stacks.size() == (architecture == Architecture::EncoderDecoder ? 2 : 1));
    for (const StackView& stack : seen.stacks) {
      const std::string prefix = stack.kind == StackView::Kind::encoder   ? "encoder."
                                 : stack.kind == StackView::Kind::decoder ? "decoder."
                                                                          : "";
      REQUIRE(stack.self.size() == 3);
      CHECK(stack.cross.size() == (stack.kind == StackView::Kind::decoder ? 3 : 0));
      CHECK(stack.stream.places == std::vector<std::string>{"embedding", "0", "1", "2"});
      CHECK(stack.norms.places.front() == "0 ln1");
      CHECK(stack.norms.places.back() == "ln_final");
      CHECK(stack.outliers.size() == 4);
      for (std::size_t layer = 0; layer < 3; ++layer) {
        const std::string block = str(prefix, "blocks.", layer, ".");
        const Tensor pattern = taps.at(block + "attn.hook_pattern");
        CHECK(same_bits(Tensor::on(pattern.shape(), stack.self[layer].pattern.storage()), pattern));
        for (std::size_t t = 0; t < stack.tokens.size(); ++t) {
          CHECK(stack.stream.values[layer + 1][t] == Approx(rms_of_row(taps.at(block + "hook_resid_post"), t)));
          CHECK(stack.norms.values.back()[t] == Approx(rms_of_row(taps.at(prefix + "ln_final.hook_normalized"), t)));
          const Tensor pre = taps.at(block + "mlp.hook_pre");
          const Tensor post = taps.at(block + "mlp.hook_post");
          double above = 0;
          double most = 0;
          for (int64_t c = 0; c < pre.last(); ++c) {
            const int64_t i = static_cast<int64_t>(t) * pre.last() + c;
            above += pre.data()[i] > 0 ? 1 : 0;
            most = std::max(most, std::fabs(static_cast<double>(post.data()[i])));
          }
          CHECK(stack.active.values[layer][t] == Approx(above / static_cast<double>(pre.last())));
          CHECK(stack.peak.values[layer][t] == Approx(most));
        }
      }
    }
    // The mean loss of predictions is that of the op.
    double sum = 0;
    double count = 0;
    for (const Prediction& p : seen.predictions) {
      REQUIRE(p.candidates.size() == 3);
      CHECK(p.candidates[0].probability >= p.candidates[1].probability);
      if (p.expected.empty()) continue;
      if (p.candidates[0].token == p.expected) CHECK(p.candidates[0].probability == Approx(std::exp(-p.loss)));
      sum += p.loss;
      ++count;
    }
    REQUIRE(count > 0);
    const Tensor loss = cross_entropy(s.model(input.batch, nn::evaluation()), input.batch.target);
    CHECK(sum / count == Approx(static_cast<double>(loss.item())).epsilon(1e-5));
  }
}

TEST_CASE("A token of a mixture has the mean share and the largest peak of its experts", "[inspect]") {
  nn::ModelConfig config{.layers = 2, .heads = 2, .width = 16, .hidden = 20};
  config.mixture = {.experts = 4, .per_token = 2};
  const Subject s = subject_of(Architecture::DecoderOnly, config);
  const Input input = input_of(s.run, s.model, request_for(Architecture::DecoderOnly));
  const StackView stack = observe(s.run, s.model, input).stacks[0];
  const std::map<std::string, Tensor> taps = taps_of(s, input);
  const std::size_t tokens = input.tokens.size();
  // By hand: the experts of a token are the two largest of its router's probabilities; rows stand in order of tokens.
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const std::string mlp = str("blocks.", layer, ".mlp.");
    const Tensor router = taps.at(mlp + "hook_router");
    std::vector<std::size_t> next(4);
    for (std::size_t t = 0; t < tokens; ++t) {
      std::vector<std::size_t> order{0, 1, 2, 3};
      std::ranges::sort(order, std::ranges::greater{}, [&](std::size_t e) { return router.data()[t * 4 + e]; });
      double share = 0;
      double most = 0;
      for (const std::size_t e : {order[0], order[1]}) {
        const Tensor pre = taps.at(str(mlp, "experts.", e, ".hook_pre"));
        const Tensor post = taps.at(str(mlp, "experts.", e, ".hook_post"));
        for (std::size_t c = 0; c < 20; ++c) {
          share += pre.data()[next[e] * 20 + c] > 0 ? 1.0 / 40 : 0;
          most = std::max(most, std::fabs(static_cast<double>(post.data()[next[e] * 20 + c])));
        }
        ++next[e];
      }
      CHECK(stack.active.values[layer][t] == Approx(share));
      CHECK(stack.peak.values[layer][t] == Approx(most));
    }
  }
}

TEST_CASE("The dimension that sticks out is found, and how far", "[inspect]") {
  const Subject s = subject_of(Architecture::DecoderOnly, {.layers = 1, .heads = 2, .width = 16});
  const LeafPtr embedding = parameter_named(nn::parameters(s.model), "token_embedding.weight");
  for (int64_t row = 0; row < embedding->shape[0]; ++row) embedding->data()[row * 16 + 5] = 1000;
  const Input input = input_of(s.run, s.model, request_for(Architecture::DecoderOnly));
  const Outlier found = observe(s.run, s.model, input).stacks[0].outliers[0];
  CHECK(found.place == "embedding");
  CHECK(found.dimension == 5);
  CHECK(found.mean == Approx(4).epsilon(1e-3));  // √16
  CHECK(found.largest == Approx(4).epsilon(1e-3));
}

TEST_CASE("What a bert is not told is not expected, and an encdec without a target writes its own", "[inspect]") {
  const Subject bert = subject_of(Architecture::EncoderOnly);
  const Input gaps = input_of(bert.run, bert.model, {.text = "a*b", .target = {}, .mask = "*"});
  CHECK(gaps.tokens == std::vector<std::string>{"a", "▢", "b"});
  CHECK(gaps.expected == std::vector<std::string>{"a", "", "b"});
  const Subject both = subject_of(Architecture::EncoderDecoder);
  const Input own = input_of(both.run, both.model, {.text = "ab\n", .target = {}, .mask = {}});
  CHECK(own.translated);
  CHECK(own.source == std::vector<std::string>{"a", "b", "↵"});
  CHECK(own.tokens.front() == "▸");
  CHECK(own.expected.back() == "■");
  CHECK(own.tokens.size() == own.expected.size());
  const Input told = input_of(both.run, both.model, {.text = "ab", .target = "c d", .mask = {}});
  CHECK(told.tokens == std::vector<std::string>{"▸", "c", "␣", "d"});
  CHECK(told.expected == std::vector<std::string>{"c", "␣", "d", "■"});
}

TEST_CASE("Damaged weights are noticed", "[inspect][errors]") {
  const Subject s = subject_of(Architecture::DecoderOnly);
  parameter_named(nn::parameters(s.model), "final_norm.bias")->data()[0] = std::nanf("");
  const Input input = input_of(s.run, s.model, request_for(Architecture::DecoderOnly));
  CHECK(has_parts(error_of([&] { observe(s.run, s.model, input); }), {"not finite", "damaged"}));
}

TEST_CASE("Layers and heads are chosen, checked, and by default bounded", "[inspect]") {
  const auto seen_of = [](int64_t layers, int64_t heads, int64_t length) {
    Observation seen;
    seen.stacks.push_back({});
    for (int64_t l = 0; l < layers; ++l)
      seen.stacks[0].self.push_back({l, Tensor::zeros({heads, length, length}), Tensor::zeros({heads, length})});
    return seen;
  };
  const Observation small = seen_of(3, 2, 4);
  CHECK(chosen(small, {}).layers == std::vector<int64_t>{0, 1, 2});
  CHECK(chosen(small, {}).heads == std::vector<int64_t>{0, 1});
  CHECK(chosen(small, {{2, 0, 2}, {1}}).layers == std::vector<int64_t>{0, 2});
  CHECK(chosen(small, {{2, 0, 2}, {1}}).heads == std::vector<int64_t>{1});
  CHECK(has_parts(error_of([&] { chosen(small, {{3}, {}}); }), {"--layers 3", "layers 0 to 2"}));
  CHECK(has_parts(error_of([&] { chosen(small, {{}, {-1}}); }), {"--heads -1", "heads 0 to 1"}));
  const Selection deep = chosen(seen_of(100, 2, 8), {});
  CHECK(deep.layers.size() == 16);
  CHECK((deep.layers.front() == 0 && deep.layers.back() == 99));
  const Selection wide = chosen(seen_of(4, 4, 512), {});  // 2¹⁸ numbers in each map
  CHECK(wide.heads.size() == 4);
  CHECK(wide.layers == std::vector<int64_t>{0, 3});
}

TEST_CASE("Shades tell probabilities apart, and fall in lightness", "[inspect]") {
  std::set<std::array<int, 3>> different;
  double before = 2;
  for (std::size_t i = 0; i < 256; ++i) {
    const Colour c = palette()[i];
    different.insert({c.red, c.green, c.blue});
    const double lightness = 0.2126 * c.red + 0.7152 * c.green + 0.0722 * c.blue;
    if (i > 0 && i < hidden_shade) CHECK(lightness < before);
    before = lightness;
  }
  CHECK(different.size() == 256);
  CHECK(shade_of_probability(0) == hidden_shade);
  CHECK(shade_of_probability(1e-9) == 0);
  CHECK(shade_of_probability(0.25) == 127);
  CHECK(shade_of_probability(1) == 254);
}

TEST_CASE("A PNG holds its pixels, and base64 is that of RFC 4648", "[inspect]") {
  const IndexedImage image{3, 2, {0, 1, 255, 7, 8, 9}};
  const std::string png = png_of(image, palette());
  CHECK(png.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  std::string kinds;
  for (std::size_t at = 8; at < png.size();) {
    const auto number = [&](std::size_t place) {
      uint32_t value = 0;
      for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(png[place + i]);
      return value;
    };
    const uint32_t size = number(at);
    const std::string kind = png.substr(at + 4, 4);
    const std::string data = png.substr(at + 8, size);
    kinds += kind + " ";
    const std::string checked = kind + data;
    CHECK(number(at + 8 + size) ==
          ::crc32(0, reinterpret_cast<const Bytef*>(checked.data()), static_cast<uInt>(checked.size())));
    if (kind == "IHDR") CHECK(data == std::string("\0\0\0\3\0\0\0\2\x08\3\0\0\0", 13));
    if (kind == "PLTE") CHECK(data.size() == 768);
    if (kind == "IDAT") {
      std::string rows(8, 'x');
      uLongf length = rows.size();
      REQUIRE(::uncompress(reinterpret_cast<Bytef*>(rows.data()), &length, reinterpret_cast<const Bytef*>(data.data()),
                           data.size()) == Z_OK);
      CHECK(rows == std::string("\0\0\1\xff\0\7\x08\x09", 8));
    }
    at += size + 12;
  }
  CHECK(kinds == "IHDR PLTE IDAT IEND ");
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xfe\xfd") == "//79");
  CHECK_THROWS_WITH(png_of({3, 2, {1}}, palette()), Catch::Contains("1 pixels are no picture of 3 × 2"));
  CHECK_THROWS_WITH(png_of(image, {}), Catch::Contains("1 to 256 colours, this one 0"));
}

TEST_CASE("The page is well-formed, whole by itself and has a map for each layer and head", "[inspect]") {
  for (const Architecture architecture : all) {
    INFO(tool::name_of(architecture));
    const Subject s = subject_of(architecture);
    const TempFolder folder;
    tool::save_config(folder / "config.json", s.run.config);
    s.run.tokenizer.save(folder / "tokenizer.json");
    nn::save(folder / "model.safetensors", s.model);
    const int64_t attentions = architecture == Architecture::EncoderDecoder ? 3 : 1;
    for (const lab::Language language : {lab::Language::english, lab::Language::chinese, lab::Language::both}) {
      std::string html = page(tool::RunFolder(folder.path()), request_for(architecture), {}, language);
      CHECK(first_unclosed(html).empty());
      CHECK(count_of(html, "<details class=\"map\">") == attentions * 3 * 2);
      CHECK((html.find("Residual stream") == std::string::npos || language != lab::Language::chinese));
      html = std::regex_replace(html, std::regex("xmlns=\"http://www.w3.org/2000/svg\""), "");
      for (const char* outside : {"http:", "https:", " src=", "url(", "@import", "<link", "<iframe", "href=\"/"}) {
        INFO(outside);
        CHECK(html.find(outside) == std::string::npos);
      }
      CHECK((language == lab::Language::both) ==
            (count_of(html, "lang=\"zh\"") > 0 && count_of(html, "lang=\"en\"") > 1));
    }
    const std::string some =
        page(tool::RunFolder(folder.path()), request_for(architecture), {{1}, {0}}, lab::Language::english);
    CHECK(count_of(some, "<details class=\"map\">") == attentions);
    CHECK_THAT(some, Catch::Contains("layer 1, head 0") && !Catch::Contains("layer 0, head 0"));
    // The same once more is the same.
    CHECK(page(tool::RunFolder(folder.path()), request_for(architecture), {{1}, {0}}, lab::Language::english) == some);
  }
}

}  // namespace tape::inline TAPE_ABI::test
