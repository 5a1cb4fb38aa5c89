// RMSNorm against LayerNorm: how much faster is it, and does it train as well?
#include <array>
#include <cmath>

#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/examples/lab/norm_timing.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

// Three kinds of cell: the norm alone, a model's speed with each norm, and a training with one norm.
std::vector<Cell> cells(Size size) {
  std::vector<Cell> all = grid({{"kind", {"op"}},
                                {"width", size == Size::full ? std::vector<Value>{64, 128, 256, 512, 1024, 2048, 4096}
                                                             : std::vector<Value>{64, 1024}}},
                               {{"elements", 262'144}, {"repeats", 41}});
  const Fields model{{"layers", 4}, {"width", 64}, {"context", 32}, {"rows", 8}};
  for (const Cell& cell : grid({{"kind", {"speed"}}}, model.with("steps", 60))) all.push_back(cell);
  for (const Cell& cell : grid({{"kind", {"training"}}, {"norm", {"layer", "rms"}}},
                               model.with("steps", 300).with("warmup", 0.1).with("lr", 2e-3)))
    all.push_back(cell);
  return all;
}

Fields measure(const Cell& cell) {
  const std::string& kind = cell.text("kind");
  return kind == "op" ? time_norms(cell) : kind == "speed" ? time_models(cell) : measure_training(cell);
}

double seconds(const Cell& cell) {
  const std::string& kind = cell.text("kind");
  return kind == "op" ? 0.2 : kind == "speed" ? 1.2 * training_seconds(cell) : training_seconds(cell);
}

// One time, or speed, to another, in the cells of a kind and with a width.
Estimate ratio(const Results& r, const Fields& part, const std::string& a, const std::string& b) {
  return r.where(part).each([&](const Row& row) { return row.result.number(a) / row.result.number(b); });
}
Criterion ratio_of(const Text& name, const Fields& part, const std::string& a, const std::string& b, double low,
                   double high) {
  return {name, [=](const Results& r) { return ratio(r, part, a, b); }, low, high};
}
constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<Figure> figures(const Results& results) {
  std::vector<Figure> all;
  const std::array<std::pair<const char*, Text>, 3> norms{
      {{"layer", {"LayerNorm", "LayerNorm"}},
       {"rms", {"RMSNorm", "RMSNorm"}},
       {"composed", {"LayerNorm of simpler ops", "由简单算子组成的 LayerNorm"}}}};
  const Results ops = results.where(Fields{{"kind", "op"}});
  for (const bool forward : {true, false}) {
    Curves curves{.x_name = {"width", "宽度"}, .y_name = {"ns per element", "ns / 元素"}, .log_x = true, .log_y = true};
    for (const auto& norm : norms) {
      const std::string key = std::string(norm.first) + (forward ? "_forward_ns" : "_backward_ns");
      curves.curves.push_back(curve(ops, "width", key, norm.second));
    }
    all.push_back({forward ? Text{"Time of the norm alone, forward, one core", "归一化单独的前向耗时（单核）"}
                           : Text{"Time of the norm alone, backward, one core", "归一化单独的反向耗时（单核）"},
                   {"LayerNorm and RMSNorm are fused here; the fastest of 41 repetitions.",
                    "本库的 LayerNorm 与 RMSNorm 都是融合实现；取 41 次中最快的。"},
                   std::move(curves)});
  }
  Table table{{Text{"norm", "归一化"}, Text{"loss (nats)", "损失 (nat)"}, Text{"training steps per s", "训练步/秒"},
               Text{"inference passes per s", "推理次/秒"}},
              {}};
  const Results speed = results.where(Fields{{"kind", "speed"}});
  for (const char* norm : {"layer", "rms"}) {
    const std::string name = norm;
    table.rows.push_back({norm[0] == 'l' ? "LayerNorm" : "RMSNorm",
                          to_string(results.where(Fields{{"kind", "training"}, {"norm", name}}).of("loss")),
                          to_string(speed.of(name + "_steps_per_s")), to_string(speed.of(name + "_passes_per_s"))});
  }
  all.push_back({{"A small model with each", "小模型分别使用的结果"}, {}, std::move(table)});
  return all;
}

// Mean difference of the losses in its standard errors, seeds paired.
Estimate difference_in_errors(const Results& r) {
  const Results trained = r.where(Fields{{"kind", "training"}});
  const Estimate d = trained.over_seeds([](const Results& s) {
    return s.where(Fields{{"norm", "rms"}}).mean("loss") - s.where(Fields{{"norm", "layer"}}).mean("loss");
  });
  if (d.count < 2 || d.sd == 0) return {};
  return estimate({d.mean / (d.sd / std::sqrt(static_cast<double>(d.count)))});
}

const Registration registration({
    .place = 10,
    .name = "rmsnorm",
    .title = {"RMSNorm and LayerNorm", "RMSNorm 与 LayerNorm"},
    .question = {"How much faster is RMSNorm than LayerNorm, and does it train as well?",
                 "RMSNorm 比 LayerNorm 快多少？训练效果是否一样？"},
    .setup =
        {"The norm of 262,144 numbers; a Pre-LN model of 4 layers and width 64, its speed over 60 steps, and trained "
         "for "
         "300 steps of Adam at 2e-3. One core, processor time, what is compared taking turns. Times are this machine's "
         "and differ from run to run.",
         "对 262144 个数做归一化；4 层、宽度 64 的 Pre-LN 模型，60 步内的速度，以及用 Adam 2e-3 训练 300 步。单核，"
         "处理器时间，相比较的对象交替运行。耗时取决于机器，每次运行不会完全相同。"},
    .source = "Zhang & Sennrich 2019, arXiv 1910.07467, tables",
    .version = 2,
    .seeds_quick = 5,
    .seeds_full = 5,
    .alone = true,
    .cells = cells,
    .seconds = seconds,
    .measure = measure,
    .figures = figures,
    .claims =
        {{.article = {"RMSNorm speeds up training.", "RMSNorm 训练速度也有提升。"},
          .paper =
              {"Transformer training took 6.9 % less time (248 to 231 s per 1,000 steps, V100); 7 to 64 % over all "
               "models.",
               "Transformer 训练耗时减少 6.9%（V100，每千步 248 秒降为 231 秒）；各模型为 7%~64%。"},
          .source = "Zhang & Sennrich 2019",
          .criteria = {ratio_of({"op forward, RMSNorm's time to LayerNorm's, width 1024",
                                 "前向耗时，RMSNorm 与 LayerNorm 之比，宽度 1024"},
                                {{"kind", "op"}, {"width", 1024}}, "rms_forward_ns", "layer_forward_ns", 0, 1),
                       ratio_of({"training, steps per second, RMSNorm to LayerNorm",
                                 "训练步/秒，RMSNorm 与 LayerNorm 之比"},
                                {{"kind", "speed"}}, "rms_steps_per_s", "layer_steps_per_s", 1, infinity)},
          .remark = {"Only that it is faster at all is tested; by how much is this machine's and this library's.",
                     "这里只检验是否更快；具体倍数属于本机与本库。"}},
         {.article = {"RMSNorm speeds up inference by about 5 to 10 %.", "RMSNorm 推理速度提升约 5~10%。"},
          .paper = {"(No source: the paper's 7 to 64 % are of training.)", "（没有出处：论文的 7%~64% 是训练时间。）"},
          .source = "none; the paper's numbers are Zhang & Sennrich 2019",
          .criteria = {ratio_of({"inference, passes per second, RMSNorm to LayerNorm",
                                 "推理次/秒，RMSNorm 与 LayerNorm 之比"},
                                {{"kind", "speed"}}, "rms_passes_per_s", "layer_passes_per_s", 1.05, 1.1)},
          .remark = {"Of this small model, whose norms take a larger share of the time than a large one's do.",
                     "针对这个小模型：归一化所占时间比例高于大模型。"}},
         {.article = {"RMSNorm is faster because leaving out the mean saves a pass over memory.",
                      "省去减均值 → 减少一次内存读写 → 更快（尤其在 GPU 上）。"},
          .paper = {"Our account: that is so for a LayerNorm of separate ops; a fused one reads and writes as often as "
                    "RMSNorm.",
                    "我们的看法：由分开的算子组成的 LayerNorm 才如此；融合实现与 RMSNorm 的访存次数相同。"},
          .source = "ours",
          .criteria = {ratio_of({"forward, fused LayerNorm's time to RMSNorm's, width 1024",
                                 "前向耗时，融合 LayerNorm 与 RMSNorm 之比，宽度 1024"},
                                {{"kind", "op"}, {"width", 1024}}, "layer_forward_ns", "rms_forward_ns", 0, 1.25),
                       ratio_of({"the same, LayerNorm of simpler ops", "同上，由简单算子组成的 LayerNorm"},
                                {{"kind", "op"}, {"width", 1024}}, "composed_forward_ns", "rms_forward_ns", 2,
                                infinity)},
          .if_all_hold = Verdict::wrong_as_stated,
          .remark =
              {"This library's fused LayerNorm takes the variance around the mean, so that it goes over each row, "
               "which is in the cache by then, once more than RMSNorm.",
               "本库融合的 LayerNorm 先求均值再求方差，因此比 RMSNorm 多扫一遍（此时已在缓存中的）每一行。"}},
         {.article = {"RMSNorm trains as well as LayerNorm or slightly better.",
                      "RMSNorm 效果与 LayerNorm 相当或略优。"},
          .paper = {"BLEU 26.6 / 27.7 against 26.8 / 27.7.", "BLEU 26.6 / 27.7，LayerNorm 为 26.8 / 27.7。"},
          .source = "Zhang & Sennrich 2019",
          .criteria = {{{"difference of losses in standard errors, 5 seeds paired",
                         "损失之差（以标准误为单位，5 个种子配对）"},
                        difference_in_errors,
                        -2,
                        2}}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
