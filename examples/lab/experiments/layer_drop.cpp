// Do deep layers do anything? The loss of a trained model when the branches of one block are switched off.
#include <algorithm>

#include <tape/core/ops.h>
#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size size) {
  const Fields fixed{{"width", 32}, {"context", 32}, {"rows", 8}, {"steps", 300}, {"lr", 2e-3}, {"warmup", 0.1}};
  return grid({{"layers", size == Size::full ? std::vector<Value>{12, 24} : std::vector<Value>{12}},
               {"scheme", {"pre", "lns", "peri", "deepnorm"}}},
              fixed);
}

double loss_of(const nn::GPT& model, const Cell& cell) {
  double sum = 0;
  for (int64_t i = 0; i < 4; ++i) {
    const tool::Batch batch = batch_of(cell, 16, cell.integer("context"), 900'000 + i);
    sum += static_cast<double>(cross_entropy(model(batch.input, nn::evaluation()), batch.target).item()) / 4;
  }
  return sum;
}

// What a branch ends with: its last weights, and the bias of a norm behind them.
bool ends_branch(const std::string& name) {
  return name.ends_with("attn.out.weight") || name.ends_with("attn.out.bias") || name.ends_with("mlp.down.weight") ||
         name.ends_with("mlp.down.bias") || name.ends_with("norm_output.bias");
}

Fields measure(const Cell& cell) {
  const nn::GPT model = model_of(cell);
  const int64_t steps = cell.integer("steps");
  train(model, cell, {.steps = steps, .rate = warmed(cell.number("lr"), cell.number("warmup"), steps)});
  const double whole = loss_of(model, cell);
  std::vector<double> rise;
  for (int64_t layer = 0; layer < cell.integer("layers"); ++layer) {
    const nn::GPT less = model.clone();
    for (const LeafPtr& leaf : nn::named_parameters(less)) {
      if (leaf->name.starts_with(str("blocks.", layer, ".")) && ends_branch(leaf->name))
        std::fill_n(leaf->data(), leaf->size(), real{0});
    }
    rise.push_back(loss_of(less, cell) - whole);
  }
  return {{"loss", whole}, {"rise", rise}};
}

std::vector<Figure> figures(const Results& results) {
  std::vector<Figure> all;
  for (const double layers : results.numbers("layers")) {
    const Results here = results.where(Fields{{"layers", layers}});
    Curves curves{.x_name = {"block switched off", "被关掉的层"},
                  .y_name = {"rise of the loss (nats)", "损失的上升 (nat)"},
                  .zero_y = true};
    for (const std::string& scheme : here.texts("scheme"))
      curves.curves.push_back(profile(here.where(Fields{{"scheme", scheme}}), "rise", title_of(scheme)));
    const std::string n = std::to_string(static_cast<int>(layers));
    all.push_back({{"What each block is worth, " + n + " layers", "各层的贡献，" + n + " 层"}, {}, std::move(curves)});
  }
  return all;
}

// Mean rise in the upper half of a model to that of all its blocks.
Estimate upper_share(const Results& r, const char* scheme) {
  return r.where(Fields{{"scheme", scheme}, {"layers", 12}}).each([](const Row& row) {
    const std::vector<double>& rise = row.result.list("rise");
    double upper = 0;
    double whole = 0;
    for (std::size_t i = 0; i < rise.size(); ++i) {
      whole += rise[i];
      upper += i >= rise.size() / 2 ? rise[i] : 0;
    }
    return upper / whole;
  });
}

const Registration registration({
    .place = 12,
    .name = "layer-drop",
    .title = {"What deep layers do", "深层有没有用"},
    .question = {"How much worse is a trained model without one of its blocks?", "训练好的模型去掉某一层会差多少？"},
    .setup =
        {"12 layers (the full run also 24), width 32, 300 steps of Adam at 2e-3; the two branches of one block are "
         "switched off and the loss is measured on 4 batches of 16 rows.",
         "12 层（full 还有 24 层），宽度 32，Adam 2e-3 训练 300 步；关掉某一层的两个支路，在 4 个各 16 "
         "行的批次上测损失。"},
    .source = "Sun et al. 2025, arXiv 2502.05795",
    .cells = cells,
    .seconds = [](const Cell& cell) { return 1.3 * training_seconds(cell); },
    .measure = measure,
    .figures = figures,
    .claims = {{.article = {"(Not in the article: that deep layers of Pre-LN do little.)",
                            "（文章未提：Pre-LN 的深层作用很小。）"},
                .paper = {"Deep layers of Pre-LN models can be dropped at little cost.",
                          "Pre-LN 模型去掉深层代价很小。"},
                .source = "Sun et al. 2025, arXiv 2502.05795, section 2",
                .criteria = {{{"Pre-LN, upper half's share of the rise", "Pre-LN，上半部分占总上升的比例"},
                              [](const Results& r) { return upper_share(r, "pre"); },
                              -1,
                              0.4}},
                .remark = {"Of a language in which each letter depends on the one before alone: one block would do.",
                           "这里的语言每个字母只依赖前一个字母，其实一层就够了。"}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
