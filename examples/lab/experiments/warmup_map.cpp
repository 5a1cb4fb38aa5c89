// Which learning rates work without warm-up, and which with a short or a long one?
#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size size) {
  const Fields fixed{{"width", 32}, {"context", 32}, {"rows", 8}, {"steps", 600}};
  if (size == Size::quick)
    return grid({{"layers", {6}}, {"scheme", {"post", "pre"}}, {"warmup", {0, 0.2}}, {"lr", {1e-3, 4e-3, 1.6e-2}}},
                fixed);
  std::vector<Cell> all = grid({{"layers", {6}},
                                {"scheme", {"post", "pre", "deepnorm"}},
                                {"warmup", {0, 0.025, 0.2}},
                                {"lr", {1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2}}},
                               fixed);
  const Sweep rates{"lr", {1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2}};
  for (const Cell& cell : grid({{"layers", {12}}, {"scheme", {"post", "pre"}}, {"warmup", {0, 0.2}}, rates}, fixed))
    all.push_back(cell);
  return all;
}

std::vector<Figure> figures(const Results& results) {
  std::vector<Figure> all;
  for (const double layers : results.numbers("layers")) {
    for (const std::string& scheme : results.texts("scheme")) {
      const Results here = results.where(Fields{{"scheme", scheme}, {"layers", layers}});
      if (here.empty()) continue;
      Map map = map_of(here, "lr", "warmup", "loss");
      map.x_name = {"highest learning rate", "最高学习率"};
      map.y_name = {"warm-up, share of all steps", "预热占总步数的比例"};
      map.value_name = {"loss (nats)", "损失 (nat)"};
      const std::string n = std::to_string(static_cast<int>(layers));
      all.push_back(
          {{title_of(scheme) + ", " + n + " layers: final loss", title_of(scheme) + "，" + n + " 层：最终损失"},
           {"Mean over the last tenth of 600 steps of Adam, and over seeds.",
            "Adam 训练 600 步，取最后十分之一和各种子的均值。"},
           std::move(map)});
    }
  }
  return all;
}

Results of(const Results& r, const char* scheme, double warmup) {
  return r.where(Fields{{"scheme", scheme}, {"warmup", warmup}, {"layers", 6}});
}

Estimate rate_ratio(const Results& r, const char* scheme, double warmup, const char* to, double to_warmup) {
  return r.over_seeds([=](const Results& s) {
    return largest_working_rate(of(s, scheme, warmup)) / largest_working_rate(of(s, to, to_warmup));
  });
}

const Registration registration({
    .place = 4,
    .name = "warmup-map",
    .title = {"Loss over learning rate and warm-up", "学习率与预热的损失图"},
    .question = {"Does Post-LN need a warm-up, and does Pre-LN do without?",
                 "Post-LN 是否必须预热？Pre-LN 能否不要预热？"},
    .setup =
        {"6 layers, width 32, 32 tokens, 8 rows, 600 steps of Adam (0.9, 0.98), no clipping, after the warm-up a "
         "constant rate. Smaller and shorter than one would wish (width 64, 1,500 steps). The quick run has rates "
         "a factor of 4 apart, the full run a factor of 2; that adds DeepNorm, a short warm-up, and 12 layers of "
         "Post-LN "
         "and Pre-LN. Where no rate works, half of the lowest one counts.",
         "6 层，宽度 32，32 个 token，每批 8 行，Adam (0.9, 0.98) 训练 600 "
         "步，不裁剪梯度，预热后学习率不变。规模小于理想设置（宽度 64，1500 步）。quick 的学习率间隔为 4 倍，full 为 2 "
         "倍；full 另有 DeepNorm、短预热，以及 12 层的 Post-LN 与 Pre-LN。若没有任何学习率可用，按最低值的一半计。"},
    .source = "Xiong et al. 2020, arXiv 2002.04745, figures 2 and 4",
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure_training,
    .figures = figures,
    .claims =
        {{.article = {"Warm-up is indispensable for the original (Post-LN) Transformer.",
                      "Warm-up 是原始（Post-LN）Transformer 优化时必备的学习率调整策略。"},
          .paper =
              {"At lr 5e-4 and 1e-3, Post-LN reaches 8.45 BLEU without warm-up and about 34 with 4,000 steps of it; "
               "at a constant 1e-4 it trains without, slowly (appendix H).",
               "学习率 5e-4 至 1e-3 时，Post-LN 无预热只有 8.45 BLEU，预热 4000 步约为 34；但恒定的 1e-4 "
               "无预热也能训练，"
               "只是很慢（附录 H）。"},
          .source = "Xiong et al. 2020, section 3.1, figure 2, appendix H",
          .criteria = {{{"Post-LN, largest working rate, warm-up 20 % to none",
                         "Post-LN 最大可用学习率，预热 20% 与无预热之比"},
                        [](const Results& r) { return rate_ratio(r, "post", 0.2, "post", 0); },
                        4}},
          .remark = {"Needed for high rates, that is: see optimizers for small constant ones.",
                     "即在高学习率下需要；恒定的小学习率见 optimizers。"}},
         {.article = {"Pre-LN is less sensitive and often trains without any warm-up.",
                      "Pre-LN 对学习率调度不那么敏感，即使没有预热阶段也能稳定训练。"},
          .paper = {"Pre-LN without warm-up reaches what Post-LN reaches with it.",
                    "Pre-LN 无预热可达到 Post-LN 有预热的水平。"},
          .source = "Xiong et al. 2020, section 4, figure 4",
          .criteria = {{{"largest working rate without warm-up, Pre-LN to Post-LN",
                         "无预热最大可用学习率，Pre-LN 与 Post-LN 之比"},
                        [](const Results& r) { return rate_ratio(r, "pre", 0, "post", 0); },
                        4},
                       {{"Pre-LN's best loss, without less with warm-up (nats)",
                         "Pre-LN 最佳损失，无预热减有预热 (nat)"},
                        [](const Results& r) {
                          return r.over_seeds([](const Results& s) {
                            return best_loss(of(s, "pre", 0)) - best_loss(of(s, "pre", 0.2));
                          });
                        },
                        -0.03,
                        0.03}}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
