// A translation in miniature: reverse a text and replace each letter. Which encoder-decoder models learn it?
#include <algorithm>
#include <cmath>

#include <tape/core/ops.h>
#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/optim/adam.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

constexpr int64_t letters = 16;
constexpr int32_t begin = letters;  // what the decoder reads first

std::vector<Cell> cells(Size size) {
  const Fields fixed{{"layers", 6}, {"width", 32}, {"context", 8}, {"rows", 32}, {"steps", 600}};
  if (size == Size::quick) {
    std::vector<Cell> some = grid({{"scheme", {"post"}}, {"warmup", {0, 0.2}}, {"lr", {4e-3}}}, fixed);
    some.push_back(grid({{"scheme", {"pre"}}, {"warmup", {0}}, {"lr", {4e-3}}}, fixed).front());
    return some;
  }
  return grid({{"scheme", {"post", "pre", "deepnorm"}}, {"warmup", {0, 0.2}}, {"lr", {1e-3, 4e-3, 1.6e-2}}}, fixed);
}

// Rows of random letters, and their translation: the last letter first, letter a as 5·a + 3 mod 16.
tool::Batch pairs(const Cell& cell, int64_t rows, int64_t index) {
  const int64_t length = cell.integer("context");
  const Draw draw =
      Random::named(Seed{static_cast<uint64_t>(cell.integer("seed"))}, "cipher").at(static_cast<uint64_t>(index));
  const Shape shape{rows, length};
  tool::Batch batch{.input = Ids(shape), .target = Ids(shape), .source = Ids(shape)};
  for (int64_t i = 0; i < rows * length; ++i)
    batch.source.mutable_data()[i] = static_cast<int32_t>(draw.below(static_cast<uint64_t>(i), letters));
  for (int64_t i = 0; i < rows * length; ++i) {
    const int64_t row = i / length * length;
    batch.target.mutable_data()[i] = (5 * batch.source.data()[row + length - 1 - i % length] + 3) % letters;
    batch.input.mutable_data()[i] = i == row ? begin : batch.target.data()[i - 1];
  }
  return batch;
}

Tensor scores(const nn::EncoderDecoder& model, const tool::Batch& batch, const nn::Context& context) {
  return model(batch.source, batch.input, context);
}

// Share of rows that are right from the first to the last letter. As long as all before it are right the best letter
// given the true ones before it is what a greedy translation writes, so that this is the greedy one's exact match.
double exact_match(const nn::EncoderDecoder& model, const tool::Batch& batch) {
  const Tensor s = scores(model, batch, nn::evaluation());
  const int64_t length = batch.target.shape()[1];
  std::vector<bool> right(static_cast<std::size_t>(batch.target.shape()[0]), true);
  for (int64_t i = 0; i < batch.target.size(); ++i) {
    const real* row = s.data() + i * s.last();
    if (std::max_element(row, row + s.last()) - row != batch.target.data()[i])
      right[static_cast<std::size_t>(i / length)] = false;
  }
  return static_cast<double>(std::ranges::count(right, true)) / static_cast<double>(right.size());
}

Fields measure(const Cell& cell) {
  nn::ModelConfig config = model_config(cell, cell.integer("context"));
  config.vocab = letters + 1;
  const nn::EncoderDecoder model(config, Seed{1});
  start_alike(nn::parameters(model), Seed{static_cast<uint64_t>(cell.integer("seed"))});
  optim::Adam adam(nn::parameters(model), {.beta2 = 0.98, .eps = 1e-9});
  const int64_t steps = cell.integer("steps");
  const auto loss = [&](int64_t step) {
    const tool::Batch batch = pairs(cell, cell.integer("rows"), step);
    return cross_entropy(scores(model, batch, nn::training(step)), batch.target);
  };
  Fields result =
      fields_of(train(loss, adam, {.steps = steps, .rate = warmed(cell.number("lr"), cell.number("warmup"), steps)},
                      std::log(static_cast<double>(letters)) - 0.1));
  result.set("exact", exact_match(model, pairs(cell, 256, 900'000)));
  return result;
}

Results of(const Results& r, const char* scheme, double warmup) {
  return r.where(Fields{{"scheme", scheme}, {"warmup", warmup}});
}

// The best exact match over the learning rates, seed by seed.
Estimate best(const Results& r, const char* scheme, double warmup) {
  return of(r, scheme, warmup).over_seeds([](const Results& s) { return std::ranges::max(s.values("exact")); });
}
Estimate at_middle(const Results& r, const char* scheme, double warmup) {
  return of(r, scheme, warmup).where(Fields{{"lr", 4e-3}}).of("exact");
}

std::vector<Figure> figures(const Results& results) {
  std::vector<Figure> all;
  for (const bool loss : {false, true}) {
    Curves curves{.x_name = {"learning rate", "学习率"},
                  .y_name = loss ? Text{"loss (nats)", "损失 (nat)"} : Text{"exact match", "完全匹配率"},
                  .log_x = true,
                  .zero_y = true};
    for (const std::string& scheme : results.texts("scheme")) {
      for (const double warmup : results.numbers("warmup")) {
        const std::string name = title_of(scheme);
        curves.curves.push_back(
            curve(of(results, scheme.c_str(), warmup), "lr", loss ? "loss" : "exact",
                  warmup > 0 ? Text{name + ", warm-up 20 %", name + "，预热 20%"} : Text{name, name}));
      }
    }
    all.push_back({loss ? Text{"Final loss", "最终损失"}
                        : Text{"Share of texts translated without a mistake", "完全正确的翻译所占比例"},
                   {},
                   std::move(curves)});
  }
  return all;
}

const Registration registration({
    .place = 17,
    .name = "translation-warmup",
    .title = {"Warm-up in a small translation", "小型翻译任务中的预热"},
    .question = {"Does an encoder-decoder Post-LN model need a warm-up to learn to translate, and do others?",
                 "编码器-解码器结构的 Post-LN 学习翻译是否需要预热？其他方案呢？"},
    .setup =
        {"8 random letters of 16, to be written in reverse with each letter replaced; 6 + 6 layers, width 32, 32 rows, "
         "600 steps of Adam (0.9, 0.98). Exact match of 256 new texts stands in for BLEU. The quick run has Post-LN "
         "and, without warm-up, Pre-LN at 4e-3, the full run two rates more and DeepNorm. The number of steps was "
         "chosen after two "
         "runs "
         "with seed 1, Pre-LN without and Post-LN with warm-up, which both learned it.",
         "16 个字母中随机取 8 个，倒序并逐字母替换；6+6 层，宽度 32，每批 32 行，Adam (0.9, 0.98) 训练 600 步。以 256 "
         "条新文本的完全匹配率代替 BLEU。quick 只含学习率 4e-3 的 Post-LN 与无预热的 Pre-LN；full 另有两个学习率和 "
         "DeepNorm。步数是在种子 1 的两次预试验（无预热的 Pre-LN、有预热的 Post-LN，均学会）之后选定的。"},
    .source = "Xiong et al. 2020, arXiv 2002.04745, figure 2, on IWSLT-14 translation",
    .cells = cells,
    .seconds = [](const Cell& cell) { return 3.3 * training_seconds(cell); },
    .measure = measure,
    .figures = figures,
    .claims =
        {{.article = {"The original (Post-LN) Transformer needs a warm-up; Pre-LN often does without.",
                      "原始（Post-LN）Transformer 必须预热；Pre-LN 常无需预热也能训练。"},
          .paper =
              {"In translation Post-LN reaches 8.45 BLEU without and about 34 with warm-up; Pre-LN about 34 without.",
               "翻译任务中 Post-LN 无预热 8.45 BLEU，有预热约 34；Pre-LN 无预热约 34。"},
          .source = "Xiong et al. 2020, sections 3.1 and 4",
          .criteria =
              {{{"Post-LN at 4e-3, exact match with warm-up", "Post-LN，学习率 4e-3，有预热的完全匹配率"},
                [](const Results& r) { return at_middle(r, "post", 0.2); },
                0.5},
               {{"the same without", "同上，无预热"}, [](const Results& r) { return at_middle(r, "post", 0); }, 0, 0.1},
               {{"Pre-LN without", "Pre-LN，无预热"}, [](const Results& r) { return at_middle(r, "pre", 0); }, 0.5}}},
         {.article = {"DeepNorm clearly beats Post-LN and Pre-LN in translation.",
                      "DeepNorm 在机器翻译任务中显著优于 Post-LN 和 Pre-LN。"},
          .paper = {"Comparable with Post-LN where that converges; better than Pre-LN when deep.",
                    "在 Post-LN 能收敛时与之相当；很深时优于 Pre-LN。"},
          .source = "Wang et al. 2022, arXiv 2203.00555, table 1",
          .criteria = {{{"best exact match, DeepNorm less Pre-LN, with warm-up",
                         "最佳完全匹配率，DeepNorm 减 Pre-LN，有预热"},
                        [](const Results& r) {
                          return r.over_seeds([](const Results& s) {
                            return best(s, "deepnorm", 0.2).mean - best(s, "pre", 0.2).mean;
                          });
                        },
                        0.05}},
          .remark = {"Of a task in miniature: this says nothing of the quality of large models.",
                     "这只是微型任务，不能说明大模型的质量。"}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
