// How much does the final loss depend on the choice of the learning rate?
#include <algorithm>
#include <cmath>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/optim/adam.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size size) {
  const Fields fixed{{"width", 32}, {"context", 32}, {"rows", 8}, {"steps", 300}};
  const Sweep rates{"lr", {3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1}};
  const auto of = [&](const char* name, const char* scheme, int qk_norm, double warmup) {
    return grid({rates, {"layers", size == Size::full ? std::vector<Value>{3, 6} : std::vector<Value>{3}}},
                fixed.with("variant", name).with("scheme", scheme).with("qk_norm", qk_norm).with("warmup", warmup));
  };
  std::vector<Cell> all;
  for (const auto& part : {of("Post-LN", "post", 0, 0.05), of("Pre-LN", "pre", 0, 0.05),
                           of("Pre-LN + QK-norm", "pre", 1, 0.05), of("Pre-LN + QK-norm, warm-up 20 %", "pre", 1, 0.2)})
    all.insert(all.end(), part.begin(), part.end());
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
  return fields_of(train([&](const Ids& ids, const nn::Context& c) { return model(ids, c); }, adamw, cell,
                         {.steps = steps,
                          .rate = optim::warmup(rising, lr).then(optim::cosine(steps - rising, lr, std::min(lr, 1e-5))),
                          .clip = 1}));
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

Results of(const Results& r, const std::string& variant, double layers = 3) {
  return r.where(Fields{{"variant", variant}, {"layers", layers}});
}

Estimate difference(const Results& r, const char* a, const char* b) {
  return r.over_seeds([=](const Results& s) { return sensitivity(of(s, a)) - sensitivity(of(s, b)); });
}

std::vector<Figure> figures(const Results& results) {
  Curves curves{
      .x_name = {"highest learning rate", "最高学习率"}, .y_name = {"loss (nats)", "损失 (nat)"}, .log_x = true};
  Table table{{Text{"model", "模型"}, Text{"layers", "层数"}, Text{"sensitivity (nats)", "敏感度 (nat)"}}, {}};
  for (const std::string& variant : results.texts("variant")) {
    curves.curves.push_back(curve(of(results, variant), "lr", "loss", variant));
    for (const double layers : results.numbers("layers")) {
      table.rows.push_back({variant, Text(std::to_string(static_cast<int>(layers))),
                            to_string(of(results, variant, layers).over_seeds(sensitivity))});
    }
  }
  return {{{"Final loss over the learning rate, 3 layers", "最终损失与学习率，3 层"}, {}, std::move(curves)},
          {{"Sensitivity: mean over the rates of the loss above the best", "敏感度：各学习率下损失超出最佳值的平均"},
           {},
           std::move(table)}};
}

const Registration registration({
    .place = 11,
    .name = "rate-sensitivity",
    .title = {"Sensitivity to the learning rate", "对学习率的敏感度"},
    .question = {"How wide is the range of learning rates that work?", "可用的学习率范围有多宽？"},
    .setup =
        {"Width 32, 300 steps of AdamW (0.9, 0.95), independent decay 1e-4, clipping at 1, warm-up then cosine; seven "
         "rates from 3e-4 to 0.3. The full run adds 6 layers.",
         "宽度 32，AdamW (0.9, 0.95) 训练 300 步，独立权重衰减 1e-4，梯度裁剪 1，预热后余弦衰减；3e-4 到 0.3 "
         "共七个学习率。"
         "full 增加 6 层。"},
    .source = "Wortsman et al. 2023, arXiv 2309.14322, section 3",
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure,
    .figures = figures,
    .claims = {{.article = {"Pre-LN is easier to tune; Post-LN needs much tuning.",
                            "Pre-LN 通常更容易调整；Post-LN 需要大量调整。"},
                .paper = {"The range of good rates grows with QK-norm and with a longer warm-up, also for Pre-LN.",
                          "QK-norm 和更长的预热都会扩大可用学习率范围，对 Pre-LN 也是如此。"},
                .source = "Wortsman et al. 2023, sections 3.1 and 3.2.1",
                .criteria = {{{"sensitivity, Post-LN less Pre-LN", "敏感度，Post-LN 减 Pre-LN"},
                              [](const Results& r) { return difference(r, "Post-LN", "Pre-LN"); },
                              0}}},
               {.article = {"(Not in the article: QK-norm and long warm-up with Pre-LN.)",
                            "（文章未提：Pre-LN 加 QK-norm 与更长预热。）"},
                .paper = {"Both lower the sensitivity.", "二者都降低敏感度。"},
                .source = "Wortsman et al. 2023, sections 3.1.1 and 3.2.1",
                .criteria = {{{"sensitivity, Pre-LN less Pre-LN with QK-norm", "敏感度，Pre-LN 减（Pre-LN + QK-norm）"},
                              [](const Results& r) { return difference(r, "Pre-LN", "Pre-LN + QK-norm"); },
                              0},
                             {{"with QK-norm, warm-up 5 % less 20 %", "QK-norm 下，预热 5% 减 20%"},
                              [](const Results& r) {
                                return difference(r, "Pre-LN + QK-norm", "Pre-LN + QK-norm, warm-up 20 %");
                              },
                              0}}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
