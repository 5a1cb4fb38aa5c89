// Does Post-LN train without warm-up by other optimizers, or with a constant small rate?
#include <memory>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/optim/adam.h>
#include <tape/optim/radam.h>
#include <tape/optim/sgd.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size size) {
  const bool full = size == Size::full;
  const Fields fixed{{"scheme", "post"}, {"layers", 6}, {"width", 32}, {"context", 32}, {"rows", 8}, {"steps", 600}};
  std::vector<Cell> all = grid({{"method", {"Adam", "Adam, warm-up", "RAdam"}},
                                {"lr", full ? std::vector<Value>{2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3}
                                            : std::vector<Value>{2.5e-4, 1e-3, 4e-3}}},
                               fixed);
  for (const Cell& cell : grid({{"method", {"SGD", "SGD, warm-up"}},
                                {"lr", full ? std::vector<Value>{0.01, 0.03, 0.1, 0.3} : std::vector<Value>{0.1}}},
                               fixed))
    all.push_back(cell);
  return all;
}

Fields measure(const Cell& cell) {
  const nn::GPT model = model_of(cell);
  const std::string& method = cell.text("method");
  const ParameterList list = nn::parameters(model);
  std::unique_ptr<optim::Optimizer> optimizer;
  if (method.starts_with("SGD")) {
    optimizer = std::make_unique<optim::SGD>(list);
  } else if (method == "RAdam") {
    optimizer = std::make_unique<optim::RAdam>(list, optim::RAdamOptions{.beta2 = 0.98, .eps = 1e-9});
  } else {
    optimizer = std::make_unique<optim::Adam>(list, optim::AdamOptions{.beta2 = 0.98, .eps = 1e-9});
  }
  const double share = method.ends_with("warm-up") ? 0.2 : 0;
  const int64_t steps = cell.integer("steps");
  return fields_of(train([&](const Ids& ids, const nn::Context& c) { return model(ids, c); }, *optimizer, cell,
                         {.steps = steps, .rate = warmed(cell.number("lr"), share, steps)}));
}

Results of(const Results& r, const char* method) {
  return r.where(Fields{{"method", method}});
}

Estimate best_difference(const Results& r, const char* a, const char* b) {
  return r.over_seeds([=](const Results& s) { return best_loss(of(s, a)) - best_loss(of(s, b)); });
}

std::vector<Figure> figures(const Results& results) {
  Figure figure{{"Post-LN's final loss over the learning rate", "Post-LN 的最终损失与学习率"},
                {"A cross marks rates at which at least one seed failed.", "叉号表示至少有一个种子失败的学习率。"},
                Curves{.x_name = {"learning rate", "学习率"},
                       .y_name = {"loss (nats)", "损失 (nat)"},
                       .curves = curves_by(results, "method", "lr", "loss"),
                       .log_x = true}};
  return {figure};
}

const Registration registration({
    .place = 5,
    .name = "optimizers",
    .title = {"Post-LN by other optimizers", "换用其他优化器训练 Post-LN"},
    .question = {"Is it Adam, or Post-LN, that asks for a warm-up?", "需要预热的是 Adam，还是 Post-LN？"},
    .setup = {"Post-LN of 6 layers, width 32, 600 steps; Adam and SGD without and with warm-up over 20 % of the steps, "
              "RAdam without; no clipping, no decay of the rate.",
              "6 层 Post-LN，宽度 32，600 步；Adam 和 SGD 各有、无 20% 步数的预热，RAdam "
              "无预热；不裁剪梯度，学习率不衰减。"},
    .source =
        "Xiong et al. 2020, arXiv 2002.04745, section 4.2, figure 2, appendix H; Liu et al. 2019, arXiv 1908.03265",
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure,
    .figures = figures,
    .claims =
        {{.article = {"Neither a constant nor a decaying learning rate lets a Transformer converge well.",
                      "不管是设置学习率为常数还是使学习率逐渐衰减，都不能让 Transformer 很好地收敛。"},
          .paper = {"A constant 1e-4 trains Post-LN, slowly (validation loss about 4.3 after 27 epochs).",
                    "恒定的 1e-4 能训练 Post-LN，只是慢（27 轮后验证损失约 4.3）。"},
          .source = "Xiong et al. 2020, appendix H",
          .criteria = {{{"Adam at a constant 2.5e-4, share of failed seeds", "Adam 恒定 2.5e-4，失败种子的比例"},
                        [](const Results& r) {
                          return of(r, "Adam").where(Fields{{"lr", 2.5e-4}}).of("failed");
                        },
                        0,
                        0}},
          .if_all_hold = Verdict::wrong_as_stated,
          .remark = {"Not failing means learning more than the frequency of letters; whether it converges well is the "
                     "difference to the best run in the figure. For Pre-LN see schedules.",
                     "“未失败”是指学到了比字母频率更多的东西；收敛得好不好，见图中与最佳结果的差距。Pre-LN 的情形见 "
                     "schedules。"}},
         {.article = {"(Not in the article: RAdam.)", "（文章未提：RAdam。）"},
          .paper = {"RAdam trains Post-LN without warm-up.", "RAdam 无需预热即可训练 Post-LN。"},
          .source = "Xiong et al. 2020, section 4.2; Liu et al. 2019",
          .criteria = {{{"best loss, RAdam less Adam with warm-up (nats)", "最佳损失，RAdam 减有预热的 Adam (nat)"},
                        [](const Results& r) { return best_difference(r, "RAdam", "Adam, warm-up"); },
                        -0.1,
                        0.1}}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
