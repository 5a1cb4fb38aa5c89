// Which stream grows with depth: Post-LN's or Pre-LN's, and how fast?
#include <numeric>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

constexpr int layers = 24;

std::vector<Cell> cells(Size size) {
  const Fields fixed{{"layers", layers}, {"width", 64}, {"context", 32}, {"lr", 5e-4}, {"batches", 4}};
  const Sweep schemes{"scheme", {"post", "pre", "deepnorm", "peri"}};
  std::vector<Cell> all = grid({schemes, {"ratio", {1, 4}}, {"steps", {0}}}, fixed);
  if (size == Size::quick) return all;
  for (const Cell& cell : grid({{"scheme", {"post", "pre", "peri"}}, {"ratio", {1}}, {"steps", {500}}}, fixed))
    all.push_back(cell);
  return all;
}

Fields measure(const Cell& cell) {
  const nn::GPT model = model_of(cell);
  if (cell.integer("steps") > 0) {
    train(model, cell, {.steps = cell.integer("steps"), .rate = warmed(cell.number("lr"), 0.2, cell.integer("steps"))});
  }
  const nn::Depth depth = nn::Depth::decoder_only(layers);
  const double alpha = nn::scheme_constants(model.config().scheme, depth).alpha;
  const Snapshot s = snapshot(model, cell, cell.integer("batches"), alpha);
  return {{"stream", s.stream}, {"norm_input", s.norm_input}};
}

Results of(const Results& results, const char* scheme, double ratio) {
  return results.where(Fields{{"scheme", scheme}, {"ratio", ratio}, {"steps", 0}});
}

std::vector<Figure> figures(const Results& results) {
  std::vector<Figure> all;
  for (const double steps : results.numbers("steps")) {
    const Results here = results.where(Fields{{"steps", steps}, {"ratio", 1}});
    Curves curves{.x_name = {"block, from the input", "层（从输入数起）"},
                  .y_name = {"mean square of the stream, E‖x‖²/d", "残差流的均方 E‖x‖²/d"},
                  .log_y = true};
    for (const std::string& scheme : here.texts("scheme"))
      curves.curves.push_back(profile(here.where(Fields{{"scheme", scheme}}), "stream", title_of(scheme)));
    all.push_back(
        {steps > 0 ? Text{"The stream after 500 steps of training", "训练 500 步后的残差流"}
                   : Text{"The stream before training", "训练前的残差流"},
         {"Expected: Post-LN's and DeepNorm's are normalised after every branch and stay at 1; Pre-LN's and Peri-LN's "
          "grow with depth, in proportion to it and not exponentially.",
          "预期：Post-LN 和 DeepNorm 在每个支路之后归一化，始终为 1；Pre-LN 和 Peri-LN "
          "的随深度成正比增长，而非指数增长。"},
         std::move(curves)});
  }
  return all;
}

double added_by_feed_forward(double ratio) {
  return 2 * ratio / ((1 + ratio) * (1 + ratio));
}

// Share of blocks l whose stream lies in 1 + c·l … 1 + (1 + c)·l, with 5 % of room.
Estimate within_bounds(const Results& results, double ratio) {
  const double c = added_by_feed_forward(ratio);
  return of(results, "pre", ratio).each([c](const Row& row) {
    const std::vector<double>& stream = row.result.list("stream");
    double inside = 0;
    for (std::size_t i = 0; i < stream.size(); ++i) {
      const auto l = static_cast<double>(i + 1);
      inside += stream[i] >= 0.95 * (1 + c * l) && stream[i] <= 1.05 * (1 + (1 + c) * l) ? 1 : 0;
    }
    return inside / static_cast<double>(stream.size());
  });
}

// What Post-LN's norms see, to what the formula says.
Estimate norm_input(const Results& results, double ratio) {
  return of(results, "post", ratio).each([ratio](const Row& row) {
    const std::vector<double>& list = row.result.list("norm_input");
    const double sum = std::accumulate(list.begin(), list.end(), 0.0);
    return sum / static_cast<double>(list.size()) / (1 + added_by_feed_forward(ratio));
  });
}

Estimate last_to_first(const Results& results, const char* scheme, double steps = 0) {
  return results.where(Fields{{"scheme", scheme}, {"ratio", 1}, {"steps", steps}}).each([](const Row& row) {
    return row.result.list("stream").back() / row.result.list("stream").front();
  });
}

// 1 for a stream that grows in proportion to the depth; more and more for one that grows exponentially.
Estimate power_of_growth(const Results& results, const char* scheme) {
  return of(results, scheme, 1).each([](const Row& row) {
    const std::vector<double>& stream = row.result.list("stream");
    std::vector<double> depth, growth;
    for (std::size_t i = stream.size() / 4; i < stream.size(); ++i) {
      depth.push_back(static_cast<double>(i + 1));
      growth.push_back(stream[i] - 1);
    }
    return log_slope(depth, growth);
  });
}

const Registration registration({
    .place = 3,
    .name = "activation-growth",
    .title = {"Growth of activations", "激活值的增长"},
    .question =
        {"Whose activations change from layer to layer: Post-LN's, whose sum the article calls un-normalised, or "
         "Pre-LN's?",
         "逐层变化的是谁的激活值：文章所说“未经归一化”的 Post-LN，还是 Pre-LN？"},
    .setup = {"24 layers, width 64, d_ff = d and 4d, embeddings of unit variance. The full run also measures after 500 "
              "steps of "
              "Adam at 5e-4, with d_ff = d and without DeepNorm to save time.",
              "24 层，宽度 64，d_ff = d 与 4d，嵌入方差为 1。full 还在 Adam 5e-4 训练 500 步后再测（为省时仅 d_ff = "
              "d，不含 DeepNorm）。"},
    .source =
        "Xiong et al. 2020, arXiv 2002.04745, lemma 2; for other d_ff our derivation: 2r/(1+r)² in the place of 1/2",
    .seeds_quick = 10,
    .seeds_full = 10,
    .cells = cells,
    .seconds = [](const Cell& cell) { return 0.2 + training_seconds(cell.with("rows", 8)); },
    .measure = measure,
    .figures = figures,
    .claims =
        {{.article =
              {"In Post-LN the residual sum reaches the next layer un-normalised, so activations may vary strongly "
               "from layer to layer.",
               "Post-LN 残差分支的输出（和 "
               "x+SubLayer(x)）在传递给下一层之前未经归一化，激活值的幅度可能在层与层之间显著变化。"},
          .paper =
              {"The other way round: Post-LN's output is normalised and what its norm sees is constant, E‖x‖² = 3d/2; "
               "Pre-LN's stream grows, (1+l/2)d ≤ E‖x_l‖² ≤ (1+3l/2)d.",
               "恰好相反：Post-LN 的输出已归一化，其归一化层的输入恒为 E‖x‖² = 3d/2；增长的是 Pre-LN "
               "的残差流，(1+l/2)d ≤ "
               "E‖x_l‖² ≤ (1+3l/2)d。"},
          .source = "Xiong et al. 2020, lemma 2",
          .criteria = {{{"Post-LN's stream, last to first block", "Post-LN 残差流，末层与首层之比"},
                        [](const Results& r) { return last_to_first(r, "post"); },
                        0.95,
                        1.05},
                       {{"Post-LN, what the norm sees, to 1+c (d_ff = d)", "Post-LN 归一化输入与 1+c 之比（d_ff = d）"},
                        [](const Results& r) { return norm_input(r, 1); },
                        0.95,
                        1.05},
                       {{"the same, d_ff = 4d", "同上，d_ff = 4d"},
                        [](const Results& r) { return norm_input(r, 4); },
                        0.95,
                        1.05},
                       {{"Pre-LN's stream, share of layers within the bounds", "Pre-LN 残差流落在界内的层的比例"},
                        [](const Results& r) { return within_bounds(r, 1); },
                        1}},
          .if_all_hold = Verdict::wrong_as_stated},
         {.article = {"As layers add up, residual branches pile up and outputs grow exponentially.",
                      "随着层数加深，残差分支不断叠加 → 输出值指数级增长 → 不稳定。"},
          .paper = {"Pre-LN's stream grows in proportion to the depth, Post-LN's not at all.",
                    "Pre-LN 的残差流与深度成正比增长，Post-LN 的完全不增长。"},
          .source = "Xiong et al. 2020, lemma 2",
          .criteria = {{{"Pre-LN, power of the depth by which E‖x‖²/d − 1 grows",
                         "Pre-LN：E‖x‖²/d − 1 随深度增长的幂次"},
                        [](const Results& r) { return power_of_growth(r, "pre"); },
                        0.8,
                        1.2},
                       {{"Post-LN's stream, last to first block", "Post-LN 残差流，末层与首层之比"},
                        [](const Results& r) { return last_to_first(r, "post"); },
                        0.95,
                        1.05}},
          .if_all_hold = Verdict::wrong_as_stated},
         {.article = {"(The same after training.)", "（训练之后是否仍然如此。）"},
          .paper = {"Our expectation: after training as well Pre-LN's stream grows much more than Post-LN's.",
                    "我们的预期：训练之后，增长得多的仍然是 Pre-LN 的残差流，而不是 Post-LN 的。"},
          .source = "ours; the papers' bounds are for the first weights",
          .criteria = {{{"after 500 steps, last to first block: Pre-LN's ratio to Post-LN's",
                         "500 步后末层与首层之比：Pre-LN 除以 Post-LN"},
                        [](const Results& r) {
                          return r.over_seeds([](const Results& s) {
                            return last_to_first(s, "pre", 500).mean / last_to_first(s, "post", 500).mean;
                          });
                        },
                        4}},
          .remark = {"In the full run only.", "仅在 full 中检验。"}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
