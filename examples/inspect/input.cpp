#include <tape/examples/inspect/input.h>

#include <algorithm>
#include <memory>

#include <tape/core/ops/loss.h>
#include <tape/examples/support/masked_batches.h>
#include <tape/examples/support/pair_batches.h>
#include <tape/examples/support/sampling.h>
#include <tape/examples/support/text.h>
#include <tape/examples/support/text_batches.h>

namespace tape::inline TAPE_ABI::inspect {

namespace {

using nn::Architecture;

constexpr int64_t suggested_length = 48;  // of a text from the data: maps in which a token can still be told
constexpr int32_t nothing = CrossEntropyOptions{}.ignore_index;

Ids one_row(const std::vector<int32_t>& tokens) {
  return Ids::from({1, std::ssize(tokens)}, tokens);
}

class Reader {
 public:
  Reader(const tool::SavedRun& run, const tool::Model& model, const TextRequest& request)
      : run_(run), model_(model), request_(request), architecture_(run.config.architecture) {}

  Input read() const {
    refuse_foreign_options();
    Input input{.batch = request_.text ? given() : from_data(), .tokens = {}, .expected = {}};
    input.given = request_.text.has_value();
    input.translated = request_.text && tool::learns_pairs(architecture_) && !request_.target;
    for (const int32_t token : input.batch.input.values()) input.tokens.push_back(token_sign(token, run_));
    for (const int32_t token : input.batch.target.values())
      input.expected.push_back(token == nothing ? "" : token_sign(token, run_));
    if (!tool::learns_pairs(architecture_)) return input;
    for (const int32_t token : input.batch.source.values()) input.source.push_back(token_sign(token, run_));
    return input;
  }

 private:
  int64_t context() const { return run_.config.model.context; }
  int64_t vocab() const { return run_.config.model.vocab; }

  void refuse_foreign_options() const {
    const auto name = tool::name_of(architecture_);
    if (request_.mask && architecture_ != Architecture::EncoderOnly)
      throw Error(str("--mask is for a bert: this model is a ", name));
    if (request_.target && !tool::learns_pairs(architecture_))
      throw Error(str("--target is for an encdec: this model is a ", name, ", which reads --text alone"));
    if (request_.target && !request_.text) throw Error("--target needs --text: it is the target of a source");
  }

  std::vector<int32_t> encoded(const std::string& text, const char* option, int64_t most,
                               std::optional<tool::CharTokenizer::Special> special = {}) const {
    const std::vector<int32_t> tokens = run_.tokenizer.encode(tool::decode_utf8(text, option), option, special);
    if (tokens.empty()) throw Error(str(option, " is empty: give at least one character"));
    if (std::ssize(tokens) > most)
      throw Error(str(option, " has ", tokens.size(), " characters: this model reads at most ", most,
                      most < context() ? ", and a token before them" : ", its context"));
    return tokens;
  }

  tool::Batch given() const {
    switch (architecture_) {
      case Architecture::DecoderOnly: {
        const std::vector<int32_t> tokens = encoded(*request_.text, "--text", context());
        std::vector<int32_t> next(tokens.begin() + 1, tokens.end());
        next.push_back(nothing);
        return {.input = one_row(tokens), .target = one_row(next)};
      }
      case Architecture::EncoderOnly:
        return with_gaps();
      case Architecture::EncoderDecoder:
        return of_pair();
    }
    throw Error("inspect: there is no such architecture");
  }

  // What stands at a gap is not known; the other characters are expected where they are.
  tool::Batch with_gaps() const {
    const std::u32string mask = tool::decode_utf8(request_.mask.value_or("_"), "--mask");
    if (mask.size() != 1) throw Error(str("--mask must be one character, it has ", mask.size()));
    const int32_t gap = tool::mask_token(vocab());
    const std::vector<int32_t> tokens =
        encoded(*request_.text, "--text", context(), tool::CharTokenizer::Special{mask[0], gap});
    std::vector<int32_t> expected = tokens;
    std::ranges::replace(expected, gap, nothing);
    return {.input = one_row(tokens), .target = one_row(expected)};
  }

  tool::Batch of_pair() const {
    const std::vector<int32_t> source = encoded(*request_.text, "--text", context());
    std::vector<int32_t> target;
    if (request_.target) {
      target = encoded(*request_.target, "--target", context() - 1);
    } else {
      tool::translate(model_.as<nn::EncoderDecoder>(), source, {.tokens = context() - 1, .temperature = 0},
                      [&](int32_t token) { target.push_back(token); });
    }
    std::vector<int32_t> read{tool::begin_token(vocab())};
    read.insert(read.end(), target.begin(), target.end());
    target.push_back(tool::end_token(vocab()));
    return {.input = one_row(read), .target = one_row(target), .source = one_row(source)};
  }

  tool::Batch from_data() const {
    const std::string& path = run_.config.text.path;
    std::u32string text;
    try {
      text = tool::read_text(path);
    } catch (const Error& error) {
      throw Error(str("there is no text to inspect: ", error.what(), "; give one by --text"));
    }
    if (tool::fingerprint(text) != run_.config.text.fingerprint)
      throw Error(str(path, " is no longer the text of this run; give a text by --text"));
    tool::Corpus corpus = tool::corpus_of(text, run_.tokenizer, architecture_, path);
    tool::BatchOptions options{.context = context(),
                               .vocab = vocab(),
                               .validation_rows = 1,
                               .seed = Seed{run_.config.recipe.seed},
                               .path = path};
    if (tool::learns_pairs(architecture_))
      return tool::PairBatches(std::get<std::vector<tool::Pair>>(std::move(corpus)), options).validation(0, 1);
    options.context = std::min(context(), suggested_length);
    auto& tokens = std::get<std::vector<int32_t>>(corpus);
    if (architecture_ == Architecture::EncoderOnly)
      return tool::MaskedBatches(std::move(tokens), options).validation(0, 1);
    return tool::TextBatches(std::move(tokens), options).validation(0, 1);
  }

  const tool::SavedRun& run_;
  const tool::Model& model_;
  const TextRequest& request_;
  Architecture architecture_;
};

}  // namespace

std::string token_sign(int32_t token, const tool::SavedRun& run) {
  const int64_t vocab = run.config.model.vocab;
  if (token >= run.tokenizer.size()) {
    if (run.config.architecture == Architecture::EncoderOnly) return "▢";
    return token == tool::end_token(vocab) ? "■" : "▸";
  }
  const std::string character = run.tokenizer.decode(token);
  if (character == " ") return "␣";
  if (character == "\n") return "↵";
  if (character == "\t") return "⇥";
  return character;
}

Input input_of(const tool::SavedRun& run, const tool::Model& model, const TextRequest& request) {
  return Reader(run, model, request).read();
}

}  // namespace tape::inline TAPE_ABI::inspect
