// Is it the same with a text that people wrote? This is the file to copy for an experiment of your own.
#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size) {
  return grid({{"scheme", {"post", "pre"}}, {"warmup", {0, 0.2}}, {"lr", {2e-3, 8e-3}}},
              {{"data", "text"}, {"layers", 6}, {"width", 32}, {"context", 32}, {"rows", 8}, {"steps", 600}});
}

std::vector<Figure> figures(const Results& results) {
  Curves curves{.x_name = {"learning rate", "学习率"}, .y_name = {"loss (nats)", "损失 (nat)"}, .log_x = true};
  for (const double warmup : results.numbers("warmup")) {
    for (const Curve& c : curves_by(results.where(Fields{{"warmup", warmup}}), "scheme", "lr", "loss")) {
      const Text warm = warmup > 0 ? Text{", warm-up 20 %", "，预热 20%"} : Text{", no warm-up", "，无预热"};
      curves.curves.push_back({{c.name.en + warm.en, c.name.zh + warm.zh}, c.points});
    }
  }
  return {{{"Final loss on Genesis 1 to 4", "《创世记》1~4 章上的最终损失"}, {}, std::move(curves)}};
}

// Loss without warm-up less the loss with it, at the highest rate, seed by seed.
Estimate saved(const Results& r, const char* scheme) {
  return r.where(Fields{{"scheme", scheme}, {"lr", 8e-3}}).over_seeds([](const Results& one) {
    return one.where(Fields{{"warmup", 0}}).mean("loss") - one.where(Fields{{"warmup", 0.2}}).mean("loss");
  });
}

const Registration registration({
    .place = 16,
    .name = "text-warmup",
    .title = {"Warm-up with a real text", "真实文本上的预热"},
    .question = {"Does Post-LN need a warm-up, and Pre-LN none, with a text as well?", "换成真实文本，结论还成立吗？"},
    .setup = {"Genesis 1 to 4 in English, 14,000 characters, trained on for 600 steps of Adam; 6 layers, width 32.",
              "英文《创世记》1~4 章，约 14000 个字符，Adam 训练 600 步；6 层，宽度 32。"},
    .source = "Xiong et al. 2020, arXiv 2002.04745, figures 2 and 4",
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure_training,
    .figures = figures,
    .claims = {{.article = {"Post-LN needs a warm-up, Pre-LN does not.", "Post-LN 需要预热，Pre-LN 不需要。"},
                .paper = {"True at usual learning rates.", "在常用学习率下成立。"},
                .source = "Xiong et al. 2020, sections 3.1 and 4",
                .criteria = {{{"Post-LN at 8e-3, without less with (nats)", "Post-LN，8e-3，无预热减有预热 (nat)"},
                              [](const Results& r) { return saved(r, "post"); },
                              0.1},
                             {{"Pre-LN, the same (nats)", "Pre-LN，同上 (nat)"},
                              [](const Results& r) { return saved(r, "pre"); },
                              -0.1,
                              0.1}}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
