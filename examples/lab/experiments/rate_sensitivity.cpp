// How much does the final loss depend on the choice of the learning rate?
#include <algorithm>
#include <cmath>

#include <tape/examples/lab/attention_logits.h>
#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/optim/adam.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

// The four variants at 3 layers and width 32; the full run makes Pre-LN two and four times as deep, and as wide.
std::vector<Cell> cells(Size size) {
  const Fields fixed{{"context", 32}, {"rows", 8}, {"steps", 300}};
  const Sweep rates{"lr", {3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1}};
  std::vector<Cell> all;
  const auto add = [&](const char* name, const char* scheme, int qk_norm, double warmup, int layers, int width) {
    for (const Cell& cell : grid({rates}, {{"variant", name},
                                           {"scheme", scheme},
                                           {"qk_norm", qk_norm},
                                           {"warmup", warmup},
                                           {"layers", layers},
                                           {"width", width}}))
      all.push_back(cell);
  };
  add("Post-LN", "post", 0, 0.05, 3, 32);
  add("Pre-LN", "pre", 0, 0.05, 3, 32);
  add("Pre-LN, warm-up 20 %", "pre", 0, 0.2, 3, 32);
  add("Pre-LN + QK-norm", "pre", 1, 0.05, 3, 32);
  if (size == Size::full) {
    for (const int times : {2, 4}) {
      add("Pre-LN", "pre", 0, 0.05, 3 * times, 32);
      add("Pre-LN", "pre", 0, 0.05, 3, 32 * times);
    }
  }
  for (Cell& cell : all) {
    for (const Fields::Entry& entry : fixed.entries()) cell.set(entry.first, entry.second);
  }
  return all;
}

Fields measure(const Cell& cell) {
  const nn::GPT model = model_of(cell);
  const int64_t steps = cell.integer("steps");
  const double lr = cell.number("lr");
  optim::AdamW adamw(
      nn::parameters(model),
      {.beta2 = 0.95, .weight_decay = 1e-4, .coupling = optim::DecayCoupling::Independent, .peak_rate = lr});
  const auto rising = static_cast<int64_t>(std::lround(cell.number("warmup") * static_cast<double>(steps)));
  Fields result =
      fields_of(train([&](const Ids& ids, const nn::Context& c) { return model(ids, c); }, adamw, cell,
                      {.steps = steps,
                       .rate = optim::warmup(rising, lr).then(optim::cosine(steps - rising, lr, std::min(lr, 1e-5))),
                       .clip = 1}));
  result.set("logit", largest_logit(model, batch_of(cell, 8, cell.integer("context"), 900'000).input));
  return result;
}

// Mean over the rates of min(loss, first loss) - best loss: Wortsman's measure.
double sensitivity(const Results& one) {
  const double first = std::log(static_cast<double>(tool::MarkovSource::vocab));
  std::vector<double> losses;
  for (const double loss : one.values("loss")) losses.push_back(std::isfinite(loss) ? std::min(loss, first) : first);
  if (losses.empty()) return std::nan("");
  const double best = *std::ranges::min_element(losses);
  double sum = 0;
  for (const double loss : losses) sum += loss - best;
  return sum / static_cast<double>(losses.size());
}

Results of(const Results& r, const std::string& variant, double layers = 3, double width = 32) {
  return r.where(Fields{{"variant", variant}, {"layers", layers}, {"width", width}});
}

// By how much one choice is more sensitive than another, seed by seed.
struct Pair {
  Text name;
  std::function<Results(const Results&)> more, less;
};
Pair of_variants(const Text& name, const char* a, const char* b) {
  return {name, [=](const Results& r) { return of(r, a); }, [=](const Results& r) { return of(r, b); }};
}
const std::vector<Pair>& pairs() {
  static const std::vector<Pair> all{
      of_variants({"Post-LN less Pre-LN", "Post-LN 减 Pre-LN"}, "Post-LN", "Pre-LN"),
      of_variants({"Pre-LN less Pre-LN + QK-norm", "Pre-LN 减（Pre-LN + QK-norm）"}, "Pre-LN", "Pre-LN + QK-norm"),
      of_variants({"Pre-LN, warm-up 5 % less 20 %", "Pre-LN，预热 5% 减 20%"}, "Pre-LN", "Pre-LN, warm-up 20 %"),
      {{"Pre-LN, 4 times the depth less 4 times the width", "Pre-LN，深度 4 倍减宽度 4 倍"},
       [](const Results& r) { return of(r, "Pre-LN", 12); },
       [](const Results& r) { return of(r, "Pre-LN", 3, 128); }}};
  return all;
}
std::vector<double> differences(const Results& r, const Pair& pair) {
  return r.by_seed([&](const Results& s) { return sensitivity(pair.more(s)) - sensitivity(pair.less(s)); });
}

std::vector<Figure> figures(const Results& results) {
  Curves losses{
      .x_name = {"highest learning rate", "最高学习率"}, .y_name = {"loss (nats)", "损失 (nat)"}, .log_x = true};
  Curves logits{.x_name = losses.x_name,
                .y_name = {"largest |attention logit|", "最大的 |注意力 logit|"},
                .log_x = true,
                .log_y = true};
  Table table{{Text{"model", "模型"}, Text{"layers", "层数"}, Text{"width", "宽度"},
               Text{"sensitivity (nats)", "敏感度 (nat)"}},
              {}};
  for (const std::string& variant : results.texts("variant")) {
    losses.curves.push_back(curve(of(results, variant), "lr", "loss", variant));
    logits.curves.push_back(curve(of(results, variant), "lr", "logit", variant));
    for (const double layers : results.numbers("layers")) {
      for (const double width : results.numbers("width")) {
        const Results here = of(results, variant, layers, width);
        if (here.empty()) continue;
        table.rows.push_back({variant, Text(std::to_string(static_cast<int>(layers))),
                              Text(std::to_string(static_cast<int>(width))), with_interval(here.by_seed(sensitivity))});
      }
    }
  }
  Table ordering{{Text{"difference", "差"}, Text{"nats, with its 95 % interval", "nat，含 95% 区间"}}, {}};
  for (const Pair& pair : pairs())
    ordering.rows.push_back({pair.name, Text(with_interval(differences(results, pair)))});
  return {{{"Final loss over the learning rate, 3 layers, width 32", "最终损失与学习率，3 层，宽度 32"},
           {},
           std::move(losses)},
          {{"Largest attention logit after training", "训练后最大的注意力 logit"},
           {"|q·k|/√(head size) over all layers, heads and pairs that causal attention sees, on a fixed batch. In the "
            "paper's large models training diverged from about 1e4 on.",
            "固定批次上所有层、头和因果注意力可见的位置对的 |q·k|/√(head size)。论文的大模型在约 1e4 以上发散。"},
           std::move(logits)},
          {{"Sensitivity: mean over the rates of the loss above the best", "敏感度：各学习率下损失超出最佳值的平均"},
           {"In parentheses the 95 % interval of the mean by bootstrap over seeds.",
            "括号内为对种子做 bootstrap 得到的均值 95% 区间。"},
           std::move(table)},
          {{"Differences of sensitivity, seed by seed", "逐种子的敏感度之差"}, {}, std::move(ordering)}};
}

// The lower end of the difference's bootstrap interval: above 0 the order is certain to 95 %.
Criterion surely_more(std::size_t pair) {
  const Text& name = pairs()[pair].name;
  return {{"sensitivity, " + name.en + ", lower end of the 95 % bootstrap interval (nats)",
           "敏感度，" + name.zh + "，95% bootstrap 区间的下端 (nat)"},
          [pair](const Results& r) {
            const std::vector<double> all = differences(r, pairs()[pair]);
            return estimate(all).count > 0 ? estimate({bootstrap(all).low}) : Estimate{};
          },
          0};
}

const Registration registration({
    .place = 11,
    .name = "rate-sensitivity",
    .title = {"Sensitivity to the learning rate", "对学习率的敏感度"},
    .question = {"How wide is the range of learning rates that work?", "可用的学习率范围有多宽？"},
    .setup =
        {"3 layers, width 32, 300 steps of AdamW (0.9, 0.95), independent decay 1e-4, clipping at 1, warm-up over 5 % "
         "then cosine; seven rates from 3e-4 to 0.3, five seeds. Half the paper's recipe in width and steps. The full "
         "run has Pre-LN with 6 and 12 layers and with width 64 and 128 as well.",
         "3 层，宽度 32，AdamW (0.9, 0.95) 训练 300 步，独立权重衰减 1e-4，梯度裁剪 1，预热 5% 后余弦衰减；3e-4 到 0.3 "
         "共七个学习率，五个种子。full 另有 6、12 层以及宽度 64、128 的 Pre-LN。"},
    .source = "Wortsman et al. 2023, arXiv 2309.14322, section 3",
    .version = 2,
    .seeds_quick = 5,
    .seeds_full = 5,
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure,
    .figures = figures,
    .claims = {{.article = {"Pre-LN is easier to tune; Post-LN needs much tuning.",
                            "Pre-LN 通常更容易调整；Post-LN 需要大量调整。"},
                .paper = {"The range of good rates grows with QK-norm and with a longer warm-up, also for Pre-LN.",
                          "QK-norm 和更长的预热都会扩大可用学习率范围，对 Pre-LN 也是如此。"},
                .source = "Wortsman et al. 2023, sections 3.1 and 3.2.1",
                .criteria = {surely_more(0)}},
               {.article = {"(Not in the article: QK-norm with Pre-LN.)", "（文章未提：Pre-LN 加 QK-norm。）"},
                .paper = {"It lowers the sensitivity, as attention logits stay bounded.",
                          "QK-norm 使注意力 logit 有界，从而降低敏感度。"},
                .source = "Wortsman et al. 2023, section 3.1.1",
                .criteria = {surely_more(1)}},
               {.article = {"(Not in the article: a longer warm-up with Pre-LN.)", "（文章未提：Pre-LN 加更长预热。）"},
                .paper = {"It lowers the sensitivity as well.", "也会降低敏感度。"},
                .source = "Wortsman et al. 2023, section 3.2.1",
                .criteria = {surely_more(2)}},
               {.article = {"(Not in the article: depth and width.)", "（文章未提：深度与宽度。）"},
                .paper = {"Depth raises the sensitivity faster than width.", "加深比加宽更快地提高敏感度。"},
                .source = "Wortsman et al. 2023, section 3.2.3",
                .criteria = {surely_more(3)},
                .remark = {"In the full run only.", "仅在 full 中检验。"}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
