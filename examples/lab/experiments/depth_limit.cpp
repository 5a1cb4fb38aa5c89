// How deep can each scheme go?
#include <algorithm>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size size) {
  const Fields fixed{{"width", 16}, {"heads", 2}, {"context", 16}, {"rows", 8}, {"steps", 200}, {"warmup", 0.1}};
  const Sweep schemes{"scheme", {"post", "pre", "deepnorm", "admin", "keel"}};
  if (size == Size::quick) return grid({{"layers", {12, 100}}, schemes, {"lr", {1e-3, 4e-3}}}, fixed);
  std::vector<Cell> all = grid({{"layers", {6, 12, 24, 50, 100, 200}}, schemes, {"lr", {2.5e-4, 1e-3, 4e-3}}}, fixed);
  for (const Cell& cell : grid({{"layers", {500, 1000}}, schemes, {"lr", {2.5e-4, 1e-3}}}, fixed)) all.push_back(cell);
  return all;
}

// The least loss over the rates of each seed; failed when no rate works in that seed.
std::vector<Curve> best_curves(const Results& results) {
  std::vector<Curve> all;
  for (const std::string& scheme : results.texts("scheme")) {
    Curve curve{title_of(scheme), {}};
    for (const double layers : results.numbers("layers")) {
      const Results here = results.where(Fields{{"scheme", scheme}, {"layers", layers}});
      if (here.empty()) continue;
      const Estimate best = here.over_seeds([](const Results& s) {
        const std::vector<double> losses = s.values("loss");
        double least = losses.front();
        for (const double loss : losses) least = !(least <= loss) ? loss : least;
        return least;
      });
      curve.points.push_back({layers, best, best.not_finite > 0 || best.mean > stuck_loss()});
    }
    all.push_back(std::move(curve));
  }
  return all;
}

std::vector<Figure> figures(const Results& results) {
  Figure figure{
      {"Loss at the best learning rate, over depth", "最佳学习率下的损失随深度的变化"},
      {"A cross: the mean over seeds is no better than counting letters.", "叉号：各种子的均值不优于只统计字母频率。"},
      Curves{.x_name = {"layers", "层数"},
             .y_name = {"loss (nats)", "损失 (nat)"},
             .curves = best_curves(results),
             .log_x = true}};
  return {figure};
}

// Share of (depth, seed) with so many layers or more in which no learning rate works.
Estimate share_failed(const Results& results, const std::string& scheme, int layers) {
  std::vector<double> failed;
  const Results all = results.where(
      [&](const Row& row) { return row.cell.text("scheme") == scheme && row.cell.number("layers") >= layers; });
  for (const double depth : all.numbers("layers")) {
    const Results here = all.where(Fields{{"layers", depth}});
    for (const double seed : here.numbers("seed"))
      failed.push_back(here.where(Fields{{"seed", seed}}).mean("failed") < 1 ? 0 : 1);
  }
  return estimate(failed);
}

// That this share is `expected`, 0 or 1.
Criterion fails(const std::string& scheme, int layers, double expected) {
  const std::string n = std::to_string(layers);
  return {{title_of(scheme) + ", " + n + " layers and more, share of failed seeds",
           title_of(scheme) + "，" + n + " 层及以上，失败的比例"},
          [=](const Results& r) { return share_failed(r, scheme, layers); },
          expected,
          expected};
}

const Registration registration({
    .place = 7,
    .name = "depth-limit",
    .title = {"Depth limit", "深度极限"},
    .question = {"Up to which depth does each scheme learn at all?", "各方案最深到多少层还能学到东西？"},
    .setup =
        {"Width 16, 2 heads, 16 tokens, 8 rows, 200 steps of Adam, warm-up over 10 %, best of two or three rates. The "
         "full run has 6 to 1,000 layers, the quick one 12 and 100. It tests what can be trained, not what depth is "
         "good for.",
         "宽度 16，2 头，16 个 token，每批 8 行，Adam 200 步，预热 10%，取两到三个学习率中最好的。full 为 6 至 1000 "
         "层，quick 为 12、100 层。检验的是能否训练，而不是加深是否有益。"},
    .source = "Wang et al. 2022, arXiv 2203.00555, section 5; Chen & Wei 2026, arXiv 2601.19895",
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure_training,
    .figures = figures,
    .claims = {{.article = {"Standard (Post-LN) Transformers break down when they are deep.",
                            "标准 Transformer 在层数较多（文章称 > 32）时容易训练崩溃。"},
                .paper = {"Post-LN fails from 18 + 18 or 50 + 50 layers, depending on the task.",
                          "Post-LN 从 18+18 或 50+50 层起失败，视任务而定。"},
                .source = "Wang et al. 2022, section 5",
                .criteria = {fails("post", 100, 1)}},
               {.article = {"DeepNorm trains deep models where the standard ones fail.",
                            "DeepNorm 能稳定训练标准结构训练不了的深层模型。"},
                .paper = {"100 + 100 layers and more train stably.", "100+100 层及更深都能稳定训练。"},
                .source = "Wang et al. 2022, section 5",
                .criteria = {fails("post", 100, 1), fails("deepnorm", 100, 0)}},
               {.article = {"DeepNorm trains models of 1,000 layers.", "DeepNorm 成功训练 1000 层 Transformer。"},
                .paper = {"1,000 layers (500 + 500) train stably and give the best translations.",
                          "1000 层（500+500）稳定训练，翻译质量最好。"},
                .source = "Wang et al. 2022, section 5",
                .criteria = {fails("deepnorm", 1000, 0)},
                .remark = {"In the full run only. Trained means better than counting letters.",
                           "仅在 full 中检验。“训练成功”指优于只统计字母频率。"}},
               {.article = {"Only DeepNorm makes 1,000 layers possible: standard structures end at about 32.",
                            "DeepNorm 让 1000 层也能稳定训练，而标准结构只能到约 32 层。"},
                .paper = {"Pre-LN was trained with 1,024 residual steps as well.", "Pre-LN 也曾训练到 1024 个残差步。"},
                .source = "Chen & Wei 2026, arXiv 2601.19895",
                .criteria = {fails("pre", 100, 0)},
                .if_all_hold = Verdict::wrong_as_stated,
                .remark = {"Judged from 100 layers on, three times the article's limit; in the full run up to 1,000.",
                           "从 100 层（文章所称界限的三倍）起判定；full 直到 1000 层。"}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
