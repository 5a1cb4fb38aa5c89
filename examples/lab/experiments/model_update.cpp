// How far do the first updates move the model's output? DeepNet calls this, and not the gradient, the cause of trouble.
#include <cmath>
#include <memory>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/optim/adam.h>
#include <tape/optim/sgd.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size size) {
  const bool full = size == Size::full;
  return grid({{"optimizer", {"Adam", "SGD"}},
               {"scheme", {"post", "post-scaled", "pre", "deepnorm", "deepnorm-branches"}},
               {"layers", full ? std::vector<Value>{6, 12, 24, 50, 100} : std::vector<Value>{6, 24, 100}}},
              {{"width", 32}, {"context", 16}, {"rows", 8}, {"steps", 30}});
}

// What the theorem counts: the weight matrices of the blocks, without gains, biases and embeddings.
ParameterList of_branches(const ParameterList& parameters) {
  ParameterList weights;
  for (const LeafPtr& leaf : parameters) {
    if (leaf->name.starts_with("blocks.") && leaf->decay) weights.push_back(leaf);
  }
  return weights;
}

// DeepNet's Post-LN-init: the weights of block l divided by k = L - l + 1, so that the lower blocks start small.
void scale_lower_blocks(const ParameterList& parameters, int64_t layers) {
  for (const LeafPtr& leaf : of_branches(parameters)) {
    const auto k = static_cast<real>(layers - std::stol(leaf->name.substr(7)));
    for (int64_t i = 0; i < leaf->size(); ++i) leaf->data()[i] /= k;
  }
}

double distance(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]);
    sum += d * d;
  }
  return std::sqrt(sum / static_cast<double>(a.size()));
}

Fields measure(const Cell& cell) {
  const std::string& variant = cell.text("scheme");
  const bool scaled = variant == "post-scaled";
  const bool branches = variant == "deepnorm-branches";
  const std::string scheme = variant.substr(0, variant.find('-'));  // "post-scaled" → "post"
  const nn::GPT model = model_of(cell.with("scheme", scheme));
  ParameterList list = nn::parameters(model);
  if (scaled) scale_lower_blocks(list, cell.integer("layers"));
  if (branches) list = of_branches(list);
  const Ids probe = batch_of(cell, 8, cell.integer("context"), 900'000).input;
  const Tensor before = model(probe, nn::evaluation());
  const double top = snapshot(model, cell, 1).gradient.back();
  std::unique_ptr<optim::Optimizer> optimizer;
  if (cell.text("optimizer") == "SGD") {
    optimizer = std::make_unique<optim::SGD>(list);
  } else {
    optimizer = std::make_unique<optim::Adam>(list, optim::AdamOptions{.beta2 = 0.98, .eps = 1e-9});
  }
  optimizer->zero_grad();
  std::vector<double> updates;
  const double lr = cell.text("optimizer") == "SGD" ? 1e-3 : 1e-5;
  train([&](const Ids& ids, const nn::Context& c) { return model(ids, c); }, *optimizer, cell,
        {.steps = cell.integer("steps"), .context = cell.integer("context"), .rate = optim::constant(lr)},
        [&](int64_t, double) {
          const NoRecord pause;
          updates.push_back(distance(model(probe, nn::evaluation()), before));
          return false;
        });
  optimizer->zero_grad();
  const Snapshot after =
      snapshot(model, cell, 1,
               nn::scheme_constants(model.config().scheme, nn::Depth::decoder_only(cell.integer("layers"))).alpha);
  return {{"update", updates.back()},
          {"updates", updates},
          {"top_gradient", top},
          {"norm_input", std::sqrt(after.norm_input.back())}};
}

Results of(const Results& r, const char* scheme, const char* optimizer) {
  return r.where(Fields{{"scheme", scheme}, {"optimizer", optimizer}});
}

Estimate growth(const Results& r, const char* scheme, const char* optimizer) {
  return r.over_seeds([=](const Results& s) {
    const Results here = of(s, scheme, optimizer);
    return here.where(Fields{{"layers", 100}}).mean("update") / here.where(Fields{{"layers", 6}}).mean("update");
  });
}

Text name_of(const std::string& scheme) {
  if (scheme == "post-scaled") return {"Post-LN, lower blocks smaller", "Post-LN，低层缩小"};
  if (scheme == "deepnorm-branches") return {"DeepNorm, branches alone", "DeepNorm，仅支路权重"};
  return title_of(scheme);
}

std::vector<Figure> figures(const Results& results) {
  std::vector<Figure> all;
  for (const std::string& optimizer : results.texts("optimizer")) {
    const Results here = results.where(Fields{{"optimizer", optimizer}});
    Curves curves{.x_name = {"layers", "层数"},
                  .y_name = {"root mean square change of the scores", "输出分数变化的均方根"},
                  .log_x = true,
                  .log_y = true};
    for (const std::string& scheme : here.texts("scheme"))
      curves.curves.push_back(curve(here.where(Fields{{"scheme", scheme}}), "layers", "update", name_of(scheme)));
    all.push_back(
        {{"Model update after 30 steps of " + optimizer, optimizer + " 训练 30 步后的模型更新量"},
         {"How far the scores on a fixed batch have moved from those of the first weights, ‖F(x, θ) − F(x, θ₀)‖.",
          "固定批次上的输出与初始权重输出之差 ‖F(x, θ) − F(x, θ₀)‖。"},
         std::move(curves)});
  }
  Curves time{.x_name = {"steps", "步"}, .y_name = {"change of the scores", "输出分数的变化"}, .dots = false};
  for (const std::string& scheme : results.texts("scheme")) {
    const Results here = of(results, scheme.c_str(), "Adam").where(Fields{{"layers", 100}});
    if (!here.empty()) time.curves.push_back(profile(here, "updates", name_of(scheme), 0));
  }
  all.push_back(
      {{"Model update step by step, 100 layers, Adam", "逐步的模型更新量，100 层，Adam"}, {}, std::move(time)});
  return all;
}

const Registration registration({
    .place = 8,
    .name = "model-update",
    .title = {"Model update", "模型更新量"},
    .question = {"Does one update move a deep Post-LN model farther than a shallow one, and does DeepNorm bound it?",
                 "同样一次更新，深的 Post-LN 是否比浅的变化更大？DeepNorm 能否限制它？"},
    .setup = {"Width 32, 16 tokens, 8 rows, 30 steps at a constant rate: Adam 1e-5, SGD 1e-3, small enough that the "
              "scores of deep models do not run into the bounds that their norms set at once. No warm-up. \"Branches "
              "alone\" trains the weight matrices of the blocks and nothing else.",
              "宽度 32，16 个 token，每批 8 行，恒定学习率训练 30 步：Adam 1e-5，SGD "
              "1e-3，小到深层模型的输出不会立刻触及归一化给出的上限；无预热。“仅支路权重”只训练各层的权重矩阵。"},
    .source = "Wang et al. 2022, arXiv 2203.00555, sections 3 and 4, theorem 4.2, figure 5; bounds with Adam are our "
              "derivation",
    .cells = cells,
    .seconds = training_seconds,
    .measure = measure,
    .figures = figures,
    .claims =
        {{.article = {"DeepNorm's α brakes the residual and β keeps the output's variance steady.",
                      "α 控制残差幅度（“踩一脚刹车”），β 让每层输出方差稳定，二者协同防止输出爆炸。"},
          .paper =
              {"The norm fixes the variance anyway. Together they bound the model update, which grows with depth in "
               "Post-LN.",
               "方差本来就由归一化固定。二者共同限制的是模型更新量，它在 Post-LN 中随深度增长。"},
          .source = "Wang et al. 2022, theorem 4.2",
          .criteria = {{{"Post-LN, 100 layers to 6, Adam", "Post-LN，100 层与 6 层之比，Adam"},
                        [](const Results& r) { return growth(r, "post", "Adam"); },
                        5},
                       {{"DeepNorm, the same", "DeepNorm，同上"},
                        [](const Results& r) { return growth(r, "deepnorm", "Adam"); },
                        0,
                        6},
                       {{"DeepNorm, SGD", "DeepNorm，SGD"},
                        [](const Results& r) { return growth(r, "deepnorm", "SGD"); },
                        0,
                        2}},
          .if_all_hold = Verdict::wrong_as_stated,
          .remark =
              {"All criteria together test the paper's account against the article's. Here all parameters move, and "
               "DeepNorm's update grows with depth. The theorem counts the weights of branches alone: see the next "
               "claim.",
               "各项标准合起来检验的是论文的解释是否优于文章的解释。这里所有参数都在更新，DeepNorm 的更新量随深度增长；"
               "而定理只计入支路权重，见下一条。"}},
         {.article = {"(Not in the article: the bound itself.)", "（文章未提：上界本身。）"},
          .paper =
              {"With SGD the update that the branches' weights cause is bounded by the learning rate, however deep "
               "the model. With Adam it grows with √L (our derivation).",
               "使用 SGD 时，支路权重引起的更新量由学习率限定，与深度无关。使用 Adam 时按 √L 增长（我们的推导）。"},
          .source = "Wang et al. 2022, theorem 4.2",
          .criteria = {{{"DeepNorm, branches' weights alone, 100 layers to 6, SGD",
                         "DeepNorm，仅支路权重，100 层与 6 层之比，SGD"},
                        [](const Results& r) { return growth(r, "deepnorm-branches", "SGD"); },
                        0.5,
                        2},
                       {{"the same, Adam (√(100/6) = 4.1)", "同上，Adam（√(100/6) = 4.1）"},
                        [](const Results& r) { return growth(r, "deepnorm-branches", "Adam"); },
                        2.7,
                        6}},
          .remark =
              {"Added after a first run, in which all parameters moved: what grows with depth is caused by what the "
               "theorem leaves out, the embedding and the gains and biases of the norms, of which a deep model has "
               "more.",
               "首次运行（所有参数都更新）之后添加：随深度增长的部分来自定理未计入的参数，即词嵌入以及越深越多的归一化"
               "增益与偏置。"}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
