// DeepNorm's constants: the paper's, the article's, and mistakes that public programs have made with them.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

#include <tape/core/ops.h>
#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/examples/lab/variant_gpt.h>
#include <tape/optim/adam.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

nn::SchemeConstants paper(double layers) {
  return nn::scheme_constants(nn::Scheme::DeepNorm, nn::Depth::decoder_only(static_cast<int64_t>(layers)));
}

Gains gains_of(std::string_view variant, double layers) {
  const nn::SchemeConstants c = paper(layers);
  const nn::SchemeConstants article = nn::scheme_constants(nn::Scheme::DeepNormArticle, nn::Depth::decoder_only(1));
  if (variant == "paper") return {.skip = c.alpha, .beta = c.beta};
  if (variant == "alpha only") return {.skip = c.alpha};
  if (variant == "beta only") return {.beta = c.beta};
  if (variant == "article") return {.branch = article.alpha, .beta = article.beta, .all_weights = true};
  if (variant == "alpha on branch") return {.branch = c.alpha, .beta = c.beta};
  if (variant == "beta inverted") return {.skip = c.alpha, .beta = 1 / c.beta};
  return {};  // Post-LN
}

std::vector<Cell> cells(Size size) {
  const Fields fixed{{"width", 16}, {"heads", 2}, {"context", 16}, {"rows", 8}, {"steps", 200}, {"warmup", 0.1}};
  const Sweep variants{"variant",
                       {"paper", "alpha only", "beta only", "article", "alpha on branch", "beta inverted", "Post-LN"}};
  if (size == Size::quick) return grid({{"layers", {12, 50}}, variants, {"lr", {1e-3}}}, fixed);
  std::vector<Cell> all = grid({{"layers", {12, 50}}, variants, {"lr", {1e-3, 4e-3}}}, fixed);
  for (const Cell& cell : grid({{"layers", {100}}, variants, {"lr", {1e-3}}}, fixed)) all.push_back(cell);
  const Sweep main{"variant", {"paper", "article", "beta inverted"}};
  for (const Cell& cell : grid({{"layers", {1000}}, main, {"lr", {1e-3}}}, fixed)) all.push_back(cell);
  return all;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  double most = 0;
  for (int64_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::fabs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
  return most;
}

Fields measure(const Cell& cell) {
  const double layers = cell.number("layers");
  const Seed seed{static_cast<uint64_t>(cell.integer("seed"))};
  const VariantGPT model(model_config(cell, cell.integer("context")), gains_of(cell.text("variant"), layers), seed);
  optim::Adam adam(nn::parameters(model), {.beta2 = 0.98, .eps = 1e-9});
  const int64_t steps = cell.integer("steps");
  Fields result = fields_of(train([&](const Ids& ids, const nn::Context& c) { return model(ids, c); }, adam, cell,
                                  {.steps = steps,
                                   .context = cell.integer("context"),
                                   .rate = warmed(cell.number("lr"), cell.number("warmup"), steps)}));
  Random random(seed);
  const Tensor x = randn({8, 64}, random);
  const Tensor g = randn({8, 64}, random);
  const double alpha = paper(layers).alpha;
  const auto norm = [](const Tensor& y) { return layer_norm(y, {}, {}, 0.0); };
  const Tensor right = norm(axpy(alpha, x, g));
  result.set("rescaled", largest_difference(right, norm(axpy(1 / alpha, g, x))));  // LN(x + G/α)
  result.set("on_branch", largest_difference(right, norm(axpy(alpha, g, x))));     // LN(x + α·G)
  return result;
}

Results of(const Results& r, const char* variant) {
  return r.where(Fields{{"variant", variant}});
}

// Share of (depth, seed) in which no learning rate works.
Estimate share_failed(const Results& r, const char* variant) {
  std::vector<double> failed;
  const Results all = of(r, variant);
  for (const double layers : all.numbers("layers")) {
    for (const double seed : all.numbers("seed")) {
      const std::vector<double> rates = all.where(Fields{{"layers", layers}, {"seed", seed}}).values("failed");
      if (!rates.empty()) failed.push_back(*std::ranges::min_element(rates));
    }
  }
  return estimate(failed);
}

Estimate constant(double value) {
  return estimate({value});
}

std::vector<Figure> figures(const Results& results) {
  std::vector<Figure> all;
  for (const double lr : results.numbers("lr")) {
    const Results here = results.where([lr](const Row& row) {
      return row.cell.number("lr") == lr && row.cell.number("layers") < 1000;  // of which there are not all variants
    });
    Map map{.x_name = {"layers", "层数"}, .y_name = {"constants", "常数"}, .value_name = {"loss (nats)", "损失 (nat)"}};
    for (const double layers : here.numbers("layers"))
      map.columns.emplace_back(std::to_string(static_cast<int>(layers)));
    for (const std::string& variant : here.texts("variant")) {
      const Curve row = curve(of(here, variant.c_str()), "layers", "loss", variant);
      map.rows.push_back(row.name);
      map.cells.emplace_back();
      for (const CurvePoint& p : row.points) map.cells.back().push_back({p.y, p.failed});
    }
    if (std::ranges::any_of(map.cells, [&](const auto& row) { return row.size() != map.columns.size(); })) continue;
    const std::string rate = lr < 2e-3 ? "1e-3" : "4e-3";
    all.push_back({{"Final loss by constants and depth, lr " + rate, "各种常数与深度的最终损失，学习率 " + rate},
                   {},
                   std::move(map)});
  }
  const Results deepest = results.where(Fields{{"layers", 1000}});
  Table at_1000{{Text{"constants", "常数"}, Text{"loss (nats)", "损失 (nat)"}}, {}};
  for (const std::string& variant : deepest.texts("variant"))
    at_1000.rows.push_back({variant, Text(to_string(of(deepest, variant.c_str()).of("loss")))});
  if (!deepest.empty()) all.push_back({{"Final loss with 1,000 layers", "1000 层的最终损失"}, {}, std::move(at_1000)});
  Table table{{Text{"layers", "层数"}, Text{"α, paper", "α，论文"}, Text{"β, paper", "β，论文"},
               Text{"α, article", "α，文章"}, Text{"β, article", "β，文章"}},
              {}};
  for (const int layers : {6, 12, 24, 100, 1000}) {
    const nn::SchemeConstants c = paper(layers);
    std::array<char, 16> alpha{}, beta{};
    std::snprintf(alpha.data(), alpha.size(), "%.3f", c.alpha);
    std::snprintf(beta.data(), beta.size(), "%.3f", c.beta);
    table.rows.push_back(
        {Text(std::to_string(layers)), Text(alpha.data()), Text(beta.data()), Text("0.8"), Text("0.1")});
  }
  all.push_back(
      {{"Constants of a decoder-only model", "仅解码器模型的常数"},
       {"Paper: α = (2M)^¼ on the skip, β = (8M)^-¼ on feed-forward, value and output weights. Article: α on the "
        "branch, the same at every depth.",
        "论文：α = (2M)^¼ 乘在跳跃连接上，β = (8M)^-¼ 用于前馈、value 与输出权重。文章：α 乘在支路上，且与深度无关。"},
       std::move(table)});
  return all;
}

const Registration registration({
    .place = 9,
    .name = "deepnorm-constants",
    .title = {"DeepNorm's constants", "DeepNorm 的常数"},
    .question = {"What do the paper's constants do, and what the article's?", "论文的常数与文章的常数各有什么效果？"},
    .setup =
        {"Width 16, 2 heads, 200 steps of Adam at 1e-3, warm-up over 10 %. \"Alpha on branch\" is what labml's program "
         "computes, \"beta inverted\" the sign that Mix-LN's baseline lost. The full run adds 4e-3 with 12 and 50 "
         "layers, and at 1e-3 100 layers and three of the variants with 1,000: more would take too long.",
         "宽度 16，2 头，Adam 学习率 1e-3 训练 200 步，预热 10%。“alpha on branch”是 labml 程序实际的计算，“beta "
         "inverted”是 "
         "Mix-LN 基线丢掉的负号。full 另有 12、50 层的学习率 4e-3，以及 1e-3 下的 100 层和三种常数的 1000 "
         "层（为省时）。"},
    .source = "Wang et al. 2022, arXiv 2203.00555, section 4.1, table of constants; the outcomes are our question",
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure,
    .figures = figures,
    .claims =
        {{.article = {"DeepNorm is LayerNorm(x + α·F(x)).",
                      "DeepNorm：x = LayerNorm(x + α * F(x))，α 为残差缩放因子。"},
          .paper = {"LayerNorm(α·x + G(x)): α multiplies the skip.", "LayerNorm(α·x + G(x))：α 乘在跳跃连接上。"},
          .source = "Wang et al. 2022, section 4.1; torchscale: residual * alpha + x",
          .criteria = {{{"|LN(αx+G) − LN(x+αG)|, largest", "|LN(αx+G) − LN(x+αG)| 的最大值"},
                        [](const Results& r) { return of(r, "paper").of("on_branch"); },
                        0.1},
                       {{"|LN(αx+G) − LN(x+G/α)|, largest", "|LN(αx+G) − LN(x+G/α)| 的最大值"},
                        [](const Results& r) { return of(r, "paper").of("rescaled"); },
                        0,
                        1e-5}},
          .if_all_hold = Verdict::wrong_as_stated,
          .remark = {"Since LayerNorm ignores scale, the article's form is right with the factor 1/α on the branch.",
                     "由于 LayerNorm 与尺度无关，若支路系数取 1/α，文章的形式也成立。"}},
         {.article = {"α = 1.0 or 0.8 and β = 0.2 or 0.1, whatever the depth.",
                      "α = 1.0 / 0.8，β = 0.2 / 0.1（与深度无关的常数）。"},
          .paper = {"Both follow from the depth: α = (2M)^¼ > 1, β = (8M)^-¼; β = 0.1 would need 1,250 layers.",
                    "二者都取决于深度：α = (2M)^¼ > 1，β = (8M)^-¼；β = 0.1 需要 1250 层。"},
          .source = "Wang et al. 2022, section 4.1, table",
          .criteria = {{{"α of 12 layers", "12 层的 α"},
                        [](const Results& r) { return r.empty() ? Estimate{} : constant(paper(12).alpha); },
                        2.213,
                        2.214},
                       {{"α of 1,000 layers to 12", "1000 层与 12 层的 α 之比"},
                        [](const Results& r) {
                          return r.empty() ? Estimate{} : constant(paper(1000).alpha / paper(12).alpha);
                        },
                        1.5},
                       {{"β of 1,250 layers", "1250 层的 β"},
                        [](const Results& r) { return r.empty() ? Estimate{} : constant(paper(1250).beta); },
                        0.099,
                        0.101}},
          .if_all_hold = Verdict::wrong_as_stated,
          .remark = {"These follow from the paper's formula as this library has it; nothing is trained for them.",
                     "这几项由论文公式（即本库的实现）算出，不需要训练。"}},
         {.article = {"With these constants deep models train.", "使用这些常数可使深层模型稳定训练。"},
          .paper = {"(No paper has tried them; our prediction is that they train, β being small.)",
                    "（没有论文试过；我们的预测是能训练，因为 β 很小。）"},
          .source = "ours",
          .criteria = {{{"article's constants, share of failed (depth, seed)", "文章常数，失败的（深度, 种子）比例"},
                        [](const Results& r) { return share_failed(r, "article"); },
                        0,
                        0}}},
         {.article = {"(Not in the article: β with its sign lost, 1/β.)", "（文章未提：β 丢了负号，即 1/β。）"},
          .paper = {"β < 1; our prediction is that 1/β fails.", "β < 1；我们的预测是 1/β 会失败。"},
          .source = "ours; Mix-LN's baseline has gain = (num_layers*8)**0.25",
          .criteria = {{{"1/β, share of failed (depth, seed)", "1/β，失败的（深度, 种子）比例"},
                        [](const Results& r) { return share_failed(r, "beta inverted"); },
                        1}}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
