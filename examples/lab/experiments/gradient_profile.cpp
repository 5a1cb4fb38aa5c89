// How is the gradient spread over the layers of a model at its start?
#include <algorithm>
#include <cmath>
#include <functional>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size size) {
  const bool full = size == Size::full;
  return grid({{"attention", {"usual", "uniform"}},
               {"scheme", {"post", "pre", "deepnorm"}},
               {"layers", full ? std::vector<Value>{6, 12, 24, 48} : std::vector<Value>{6, 24}}},
              {{"width", 64}, {"ratio", 1}, {"context", 64}, {"batches", 2}});
}

// Xiong's theory has W_Q = W_K = 0: every query looks at all keys alike.
void make_uniform(const ParameterList& parameters) {
  for (const LeafPtr& leaf : parameters) {
    if (leaf->name.ends_with("attn.qkv.weight")) std::fill_n(leaf->data(), leaf->size() / 3 * 2, real{0});
  }
}

Fields measure(const Cell& cell) {
  const nn::GPT model = model_of(cell);
  if (cell.text("attention") == "uniform") make_uniform(nn::parameters(model));
  return {{"gradient", snapshot(model, cell, cell.integer("batches")).gradient}};
}

Results deep(const Results& results, const char* scheme, const char* attention) {
  return results.where(Fields{{"scheme", scheme}, {"layers", 24}, {"attention", attention}});
}

std::vector<Figure> figures(const Results& results) {
  std::vector<Figure> all;
  for (const char* attention : {"usual", "uniform"}) {
    Curves curves{.x_name = {"block, from the input", "层（从输入数起）"},
                  .y_name = {"‖∂loss/∂W‖ of feed-forward's last weight", "前馈最后一个权重的 ‖∂loss/∂W‖"},
                  .log_y = true};
    for (const char* scheme : {"post", "pre", "deepnorm"}) {
      const Results here = deep(results, scheme, attention);
      if (!here.empty()) curves.curves.push_back(profile(here, "gradient", title_of(scheme)));
    }
    const bool uniform = std::string_view(attention) == "uniform";
    all.push_back(
        {uniform ? Text{"Gradient of each layer, uniform attention, 24 layers", "各层的梯度（均匀注意力，24 层）"}
                 : Text{"Gradient of each layer, 24 layers", "各层的梯度（24 层）"},
         uniform ? Text{"With W_Q = W_K = 0, as the paper's theory assumes.", "论文的理论假设 W_Q = W_K = 0。"}
                 : Text{"Expected: Post-LN's gradient fades on its way down from the output; the others' do not.",
                        "预期：Post-LN 的梯度从输出向输入逐层衰减，其余方案则不。"},
         std::move(curves)});
  }
  return all;
}

// The mean over seeds in each layer, from the input: the theory is about expectations, and a ratio of single seeds'
// gradients comes out too large.
std::vector<double> means(const Results& results) {
  std::vector<double> all;
  for (const CurvePoint& point : profile(results, "gradient", {}).points) all.push_back(point.y.mean);
  return all;
}

// A number of the mean gradients of all layers; none without data.
Estimate of_means(const Results& results, const std::function<double(const std::vector<double>&)>& number) {
  return results.empty() ? Estimate{} : estimate({number(means(results))});
}

double top_to_bottom(const std::vector<double>& gradient) {
  return gradient.back() / gradient.front();
}
double spread_above_a_quarter(const std::vector<double>& gradient) {
  const auto [low, high] =
      std::minmax_element(gradient.begin() + static_cast<std::ptrdiff_t>(gradient.size() / 4), gradient.end());
  return *high / *low;
}
// By what the gradient is multiplied from a block to the one below it.
double rate(const std::vector<double>& gradient) {
  return std::pow(1 / top_to_bottom(gradient), 1 / static_cast<double>(gradient.size() - 1));
}

const Registration registration({
    .place = 2,
    .name = "gradient-profile",
    .title = {"Gradient of each layer", "各层的梯度"},
    .question = {"Does the gradient reach the lower layers?", "梯度能否传到靠近输入的各层？"},
    .setup =
        {"Before any training: width 64, d_ff = d, 64 tokens, 2 batches of 8 rows. The quick run has 6 and 24 layers.",
         "训练之前：宽度 64，d_ff = d，64 个 token，2 个各 8 行的批次。quick 只含 6 层和 24 层。"},
    .source = "Xiong et al. 2020, arXiv 2002.04745, figure 3 and appendix F",
    .seeds_quick = 10,
    .seeds_full = 10,
    .cells = cells,
    .seconds = [](const Cell& cell) { return 0.008 * cell.number("layers"); },
    .measure = measure,
    .figures = figures,
    .claims =
        {{.article = {"In Pre-LN the gradient flows through the clean residual path more smoothly; Post-LN's gradient "
                      "passes every norm.",
                      "Pre-LN 的残差路径保持清晰，梯度能更顺畅地流经深度网络；Post-LN 的梯度在相加后要通过归一化层。"},
          .paper = {"Pre-LN's gradient hardly depends on the layer; Post-LN's contains (2/3)^((L−l)/2).",
                    "Pre-LN 的梯度几乎与层无关；Post-LN 的梯度含有因子 (2/3)^((L−l)/2)。"},
          .source = "Xiong et al. 2020, section 3.3 and appendix F; the even profile of DeepNorm is our expectation",
          .criteria = {{{"Post-LN, top to bottom, 24 layers", "Post-LN 24 层，最上层与最下层之比"},
                        [](const Results& r) { return of_means(deep(r, "post", "usual"), top_to_bottom); },
                        2},
                       {{"Pre-LN, largest to smallest above a quarter", "Pre-LN，上四分之三各层的最大与最小之比"},
                        [](const Results& r) { return of_means(deep(r, "pre", "usual"), spread_above_a_quarter); },
                        1,
                        2},
                       {{"DeepNorm, the same", "DeepNorm，同上"},
                        [](const Results& r) { return of_means(deep(r, "deepnorm", "usual"), spread_above_a_quarter); },
                        1,
                        2}},
          .remark =
              {"Of the gradient's mean over seeds, as the theory is about expectations; an earlier version took the "
               "mean of the seeds' own ratios, which noise raises. Why Post-LN's does not fade: see the next claim.",
               "按各种子的平均梯度计算，因为理论讨论的是期望；早先的版本取各种子自身之比的均值，噪声会使它偏大。Post-"
               "LN "
               "的梯度为何不衰减，见下一条。"}},
         {.article = {"(Not in the article: the rate at which Post-LN's gradient fades.)",
                      "（文章未提：Post-LN 梯度的衰减速率。）"},
          .paper = {"By √(2/3) = 0.816 for each layer, in theory with uniform attention.",
                    "理论上（均匀注意力）每层乘以 √(2/3) = 0.816。"},
          .source = "Xiong et al. 2020, appendix F",
          .criteria = {{{"factor per layer, uniform attention, 24 layers", "每层的因子（均匀注意力，24 层）"},
                        [](const Results& r) { return of_means(deep(r, "post", "uniform"), rate); },
                        0.77,
                        0.87}},
          .remark =
              {"The factor √(2/3) is that of the residual path alone. With d_ff = d a branch makes the sum 1 + 1/2 "
               "times as "
               "large in mean square, by which its norm divides, but it also returns half as much gradient again: "
               "(1 + 1/2)·2/3 = 1, so that nothing need fade (our derivation).",
               "√(2/3) 只是残差路径的因子。d_ff = d 时，支路使和的均方变为 1 + 1/2 "
               "倍，归一化随之相除，但支路自身也传回一半的"
               "梯度：(1 + 1/2)·2/3 = 1，因此不必衰减（我们的推导）。"}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
