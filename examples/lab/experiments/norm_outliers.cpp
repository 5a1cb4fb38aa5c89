// What does one outlier among the activations do to the others behind a norm?
#include <cmath>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/nn/norm.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size) {
  return grid({{"norm", {"layer", "rms", "scale", "dyt"}}, {"outlier", {1, 3, 10, 30, 100, 300}}},
              {{"width", 64}, {"rows", 256}});
}

// How far the other columns of the norm's output move when the first column becomes `outlier`, to their own size.
Fields measure(const Cell& cell) {
  const int64_t width = cell.integer("width");
  Random random(Seed{static_cast<uint64_t>(cell.integer("seed"))});
  const Tensor x = randn({cell.integer("rows"), width}, random);
  Tensor hit = x.copy();
  for (int64_t r = 0; r < x.rows(); ++r) hit.mutable_data()[r * width] = static_cast<real>(cell.number("outlier"));
  const nn::Norm norm(nn::norm_kind(cell.text("norm")), width);
  nn::initialize(norm, Seed{1});
  const Tensor before = norm(x);
  const Tensor after = norm(hit);
  double moved = 0;
  double size = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    if (i % width == 0) continue;
    const auto a = static_cast<double>(before.data()[i]);
    const double d = static_cast<double>(after.data()[i]) - a;
    moved += d * d;
    size += a * a;
  }
  return {{"change", std::sqrt(moved / size)}};
}

std::vector<Figure> figures(const Results& results) {
  Curves curves{.x_name = {"size of the outlier (standard deviations)", "离群值大小（标准差）"},
                .y_name = {"change of the other columns, relative", "其余各列的相对变化"},
                .log_x = true,
                .zero_y = true};
  for (const nn::NormInfo& row : nn::norm_table()) {
    const Results here = results.where(Fields{{"norm", std::string(row.name)}});
    if (!here.empty()) curves.curves.push_back(curve(here, "outlier", "change", std::string(row.title)));
  }
  return {{{"One outlier in 64 columns", "64 列中的一个离群值"},
           {"1 means that the other columns have vanished behind the norm.", "1 表示其余各列经归一化后几乎消失。"},
           std::move(curves)}};
}

const Registration registration({
    .place = 14,
    .name = "norm-outliers",
    .title = {"Norms and outliers", "归一化与离群值"},
    .question = {"Does RMSNorm bear outliers better, as it does not subtract a mean?",
                 "RMSNorm 不减均值，是否更能承受离群值？"},
    .setup =
        {"256 rows of 64 standard normal numbers, the first of each row replaced by an outlier; nothing is trained.",
         "256 行、每行 64 个标准正态数，每行第一个换成离群值；不训练。"},
    .source = "the article; the papers do not claim it",
    .seeds_quick = 10,
    .seeds_full = 10,
    .cells = cells,
    .seconds = [](const Cell&) { return 0.001; },
    .measure = measure,
    .figures = figures,
    .claims =
        {{.article = {"RMSNorm may be more robust to outliers, keeping the \"importance\" of tokens.",
                      "RMSNorm 对异常值更鲁棒？不减均值可能保留更多“token 重要性”信息。"},
          .paper = {"The robustness shown is to weights that start around 0.2 instead of 0; outliers are not tested.",
                    "论文展示的是对以 0.2 为中心的初始权重的鲁棒性，并未测试离群值。"},
          .source = "Zhang & Sennrich 2019, arXiv 1910.07467",
          .criteria = {{{"change at an outlier of 30, RMSNorm to LayerNorm",
                         "离群值为 30 时的变化，RMSNorm 与 LayerNorm 之比"},
                        [](const Results& r) {
                          return r.where(Fields{{"outlier", 30}}).over_seeds([](const Results& s) {
                            return s.where(Fields{{"norm", "rms"}}).mean("change") /
                                   s.where(Fields{{"norm", "layer"}}).mean("change");
                          });
                        },
                        0,
                        0.9}}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
