// How high a learning rate does each scheme bear? The rate rises until the training breaks down.
#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size size) {
  const Fields fixed{{"width", 32}, {"context", 16}, {"rows", 8}, {"steps", 700}, {"lowest", 1e-5}, {"highest", 0.3}};
  const Sweep schemes{"scheme", {"post", "deepnorm", "pre", "keel"}};
  if (size == Size::quick) return grid({{"layers", {8, 32}}, schemes}, fixed);
  std::vector<Cell> all = grid({{"layers", {8, 32, 128}}, schemes}, fixed);
  for (const Cell& cell : grid({{"layers", {8, 32}}, {"scheme", {"admin"}}}, fixed)) all.push_back(cell);
  return all;
}

// A logarithmic ramp: a linear one would pass Post-LN's limit within a few steps. The limit is the rate of the last
// step whose loss, averaged over about 20 steps, was within 0.1 nat of the best so far; the run ends 0.5 nat above it.
// A run that has never learned more than the frequency of letters has no such rate. What counts for it is the rate of
// its least average, after which it got no better at all: more than it bears, so that ratios to it are too small.
Fields measure(const Cell& cell) {
  const int64_t steps = cell.integer("steps");
  const double factor = std::pow(cell.number("highest") / cell.number("lowest"), 1 / static_cast<double>(steps));
  const optim::Schedule ramp = optim::exponential(cell.number("lowest"), factor);
  double average = 0;
  double best = std::numeric_limits<double>::infinity();
  int64_t last_good = 0;
  int64_t least = 0;
  train(model_of(cell), cell,
        {.steps = steps, .rows = cell.integer("rows"), .context = cell.integer("context"), .rate = ramp},
        [&](int64_t step, double loss) {
          average = step == 0 ? loss : average + (loss - average) / 20;
          if (average < best) least = step;
          best = std::min(best, average);
          if (average <= best + 0.1) last_good = step;
          return average > best + 0.5;
        });
  const bool learned = best < stuck_loss();
  return {{"limit", ramp(learned ? last_good : least)}, {"failed", learned ? 0 : 1}, {"best", best}};
}

double limit(const Results& one, const char* scheme, double layers) {
  return one.where(Fields{{"scheme", scheme}, {"layers", layers}}).mean("limit");
}

Estimate ratio(const Results& r, const char* a, const char* b) {
  return r.over_seeds([=](const Results& s) { return limit(s, a, 32) / limit(s, b, 32); });
}

std::vector<Figure> figures(const Results& results) {
  Figure figure{
      {"Highest rate before training breaks down", "训练崩溃前的最高学习率"},
      {"The rate rises from 1e-5 by the same factor in each step. A cross: a seed never learned more than how frequent "
       "letters are; the rate of its least loss counts, an upper bound.",
       "学习率从 1e-5 "
       "起逐步按同一倍数上升。叉号：有种子始终没学到比字母频率更多的东西，按其损失最低时的学习率计（上界）。"},
      Curves{.x_name = {"layers", "层数"},
             .y_name = {"highest learning rate", "最高学习率"},
             .curves = curves_by(results, "scheme", "layers", "limit"),
             .log_x = true,
             .log_y = true}};
  return {figure};
}

const Registration registration({
    .place = 6,
    .name = "rate-limit",
    .title = {"Highest learning rate", "可承受的最高学习率"},
    .question = {"How high a learning rate does each scheme bear, and how does depth change it?",
                 "各方案能承受多高的学习率？深度如何影响它？"},
    .setup =
        {"Width 32, 16 tokens, 8 rows, Adam (0.9, 0.98) without clipping, 700 steps from 1e-5 to 0.3. The full run "
         "adds "
         "128 layers, and Admin with fewer. Two earlier versions were wrong: one began at 1e-4 and counted runs that "
         "learned nothing as that, so that its ratio of 1,300 was an artefact; the other gave up runs whose first loss "
         "was far above ln 16.",
         "宽度 32，16 个 token，每批 8 行，Adam (0.9, 0.98)，不裁剪，700 步从 1e-5 升到 0.3。full 增加 128 "
         "层以及较浅的 "
         "Admin。此前两个版本有误：其一从 1e-4 开始，并把什么也没学到的运行按 1e-4 计，其 1300 "
         "倍的比值是假象；其二会放弃初始损失远高于 ln 16 的运行。"},
    .source = "Chen & Wei 2026 (KEEL), arXiv 2601.19895, with a linear ramp to 5e-2 over 5,000 steps",
    .version = 3,
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure,
    .figures = figures,
    .claims =
        {{.article = {"Pre-LN is more stable than Post-LN, especially in deep models.",
                      "Pre-LN 稳定性更好，有助于训练更深的模型；Post-LN 稳定性较差，尤其在深层模型中。"},
          .paper = {"With 64 residual steps: Post-LN 3.0e-4, DeepNorm 3.5e-4, Pre-LN 7.65e-3.",
                    "64 个残差步时：Post-LN 3.0e-4，DeepNorm 3.5e-4，Pre-LN 7.65e-3。"},
          .source = "Chen & Wei 2026, arXiv 2601.19895",
          .criteria = {{{"Pre-LN to Post-LN, 32 layers, at least", "32 层，Pre-LN 与 Post-LN 之比，至少"},
                        [](const Results& r) { return ratio(r, "pre", "post"); },
                        4}},
          .remark = {"At least: where Post-LN never learned, an upper bound of its rate is taken. DeepNorm's place is "
                     "shown, not required.",
                     "“至少”：Post-LN 始终没学到东西时取其学习率的上界。DeepNorm 的位置只展示，不作要求。"}},
         {.article = {"(Not in the article: KEEL.)", "（文章未提：KEEL。）"},
          .paper = {"KEEL bears 1.01e-2, more than Pre-LN's 7.65e-3.", "KEEL 可承受 1.01e-2，高于 Pre-LN 的 7.65e-3。"},
          .source = "Chen & Wei 2026, arXiv 2601.19895",
          .criteria = {{{"KEEL to Pre-LN, 32 layers", "32 层，KEEL 与 Pre-LN 之比"},
                        [](const Results& r) { return ratio(r, "keel", "pre"); },
                        1}}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
