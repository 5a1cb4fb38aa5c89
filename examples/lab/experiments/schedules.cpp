// The learning-rate schedules side by side, with warm-up and without, on a Pre-LN model.
#include <cmath>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/examples/support/recipe.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

constexpr int steps = 300;
constexpr double peak = 4e-3;

std::vector<Cell> cells(Size size) {
  std::vector<Value> names{"constant", "linear", "cosine", "inverse_sqrt", "wsd", "one_cycle"};
  if (size == Size::full) {
    for (const char* more : {"cosine_restarts", "step", "exponential", "polynomial", "square_root", "wsd_cosine"})
      names.emplace_back(more);
  }
  return grid({{"schedule", names}, {"warmup", {0.004, 0.1}}},
              {{"layers", 4}, {"width", 32}, {"context", 32}, {"rows", 8}, {"steps", steps}, {"lr", peak}});
}

optim::Schedule schedule_of(const std::string& name, double share) {
  tool::Recipe recipe{.steps = steps, .lr = peak, .schedule = tool::schedule_kind(name)};
  recipe.min_lr = peak / 10;
  recipe.warmup = std::lround(share * steps);
  return tool::make_schedule(recipe);
}

Fields measure(const Cell& cell) {
  return fields_of(
      train(model_of(cell), cell, {.steps = steps, .rate = schedule_of(cell.text("schedule"), cell.number("warmup"))}));
}

Results of(const Results& r, const std::string& schedule, double warmup) {
  return r.where(Fields{{"schedule", schedule}, {"warmup", warmup}});
}

std::vector<Figure> figures(const Results& results) {
  Curves rates{.x_name = {"step", "步"}, .y_name = {"learning rate", "学习率"}, .zero_y = true, .dots = false};
  Table table{{Text{"schedule", "调度"}, Text{"loss without warm-up (nats)", "无预热的损失 (nat)"},
               Text{"with 10 % (nats)", "预热 10% (nat)"}},
              {}};
  for (const std::string& name : results.texts("schedule")) {
    if (rates.curves.size() < 6) {
      Curve curve{name, {}};
      const optim::Schedule rate = schedule_of(name, 0.1);
      for (int step = 0; step < steps; step += 2)
        curve.points.push_back({static_cast<double>(step), estimate({rate(step)})});
      rates.curves.push_back(std::move(curve));
    }
    table.rows.push_back(
        {name, to_string(of(results, name, 0.004).of("loss")), to_string(of(results, name, 0.1).of("loss"))});
  }
  return {{{"The schedules", "各种学习率调度"}, {}, std::move(rates)},
          {{"Final loss with each schedule", "各种调度的最终损失"},
           {"Mean over the last tenth of the steps. Without warm-up means one step of it.",
            "取最后十分之一步的均值。“无预热”即只预热一步。"},
           std::move(table)}};
}

Estimate above_entropy(const Results& r, const char* schedule) {
  return of(r, schedule, 0.004).each([](const Row& row) { return row.result.number("loss") - language().entropy(); });
}

const Registration registration({
    .place = 15,
    .name = "schedules",
    .title = {"Schedules side by side", "学习率调度对比"},
    .question = {"How much does the shape of the schedule matter?", "学习率曲线的形状有多重要？"},
    .setup = {"Pre-LN, 4 layers, width 32, 300 steps of Adam, highest rate 4e-3, lowest a tenth of it.",
              "Pre-LN，4 层，宽度 32，Adam 300 步，最高学习率 4e-3，最低为其十分之一。"},
    .source = "the article; optim/schedule.h has the sources of each schedule",
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure,
    .figures = figures,
    .claims = {{.article = {"A learning rate that is constant or only decays does not let Transformers converge well.",
                            "将学习率设为常数或使其逐渐衰减，都不能让 Transformer 很好地收敛。"},
                .paper = {"True of Post-LN at usual rates; Pre-LN trains without warm-up.",
                          "仅对常用学习率下的 Post-LN 成立；Pre-LN 无需预热。"},
                .source = "Xiong et al. 2020, arXiv 2002.04745, section 4",
                .criteria = {{{"Pre-LN, constant, loss above the entropy (nats)",
                               "Pre-LN，常数，损失超出熵的部分 (nat)"},
                              [](const Results& r) { return above_entropy(r, "constant"); },
                              -0.05,
                              0.15},
                             {{"Pre-LN, linear decay, the same", "Pre-LN，线性衰减，同上"},
                              [](const Results& r) { return above_entropy(r, "linear"); },
                              -0.05,
                              0.15}},
                .if_all_hold = Verdict::wrong_as_stated}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
