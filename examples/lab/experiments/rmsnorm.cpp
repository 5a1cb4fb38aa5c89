// RMSNorm against LayerNorm: how much faster is it, and does it train as well?
#include <algorithm>
#include <cmath>
#include <ctime>

#include <tape/core/ops.h>
#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::vector<Cell> cells(Size size) {
  const bool full = size == Size::full;
  std::vector<Cell> all =
      grid({{"kind", {"op"}},
            {"width", full ? std::vector<Value>{64, 256, 1024, 4096} : std::vector<Value>{64, 1024}},
            {"norm", {"layer", "rms"}}},
           {{"elements", 262'144}, {"repeats", 41}});
  for (const Cell& cell : grid(
           {{"kind", {"training"}}, {"norm", {"layer", "rms"}}},
           {{"layers", 4}, {"width", 64}, {"context", 32}, {"rows", 8}, {"steps", 300}, {"warmup", 0.1}, {"lr", 2e-3}}))
    all.push_back(cell);
  return all;
}

// Processor time of this thread: what else runs on the machine does not count.
double now() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// The fastest of many repetitions: disturbances only ever add time.
Fields time_op(const Cell& cell) {
  const int64_t width = cell.integer("width");
  Random random(Seed{static_cast<uint64_t>(cell.integer("seed"))});
  const Tensor x = randn({cell.integer("elements") / width, width}, random);
  const Tensor dy = randn(x.shape(), random);
  const nn::Norm norm(nn::norm_kind(cell.text("norm")), width);
  nn::initialize(norm, Seed{1});
  double forward = 1e9;
  double both = 1e9;
  for (int64_t i = 0; i < cell.integer("repeats"); ++i) {
    Tape tape;
    const Tensor watched = tape.watch(x);
    const double start = now();
    const Tensor y = norm(watched);
    forward = std::min(forward, now() - start);
    tape.backward(y, dy);
    both = std::min(both, now() - start);
  }
  const double scale = 1e9 / cell.number("elements");
  return {{"forward_ns", forward * scale}, {"both_ns", both * scale}};
}

Fields train_timed(const Cell& cell) {
  const double start = now();
  Fields result = measure_training(cell);
  result.set("steps_per_s", cell.number("steps") / (now() - start));
  return result;
}

Results training(const Results& r, const char* norm) {
  return r.where(Fields{{"kind", "training"}, {"norm", norm}});
}

Estimate ratio(const Results& r, const Fields& part, const char* key) {
  return r.where(part).over_seeds([&](const Results& s) {
    return s.where(Fields{{"norm", "rms"}}).mean(key) / s.where(Fields{{"norm", "layer"}}).mean(key);
  });
}

std::vector<Figure> figures(const Results& results) {
  Curves curves{.x_name = {"width", "宽度"}, .y_name = {"ns per element", "ns / 元素"}, .log_x = true, .zero_y = true};
  const Results ops = results.where(Fields{{"kind", "op"}});
  for (const char* norm : {"layer", "rms"}) {
    const std::string name = norm[0] == 'l' ? "LayerNorm" : "RMSNorm";
    const Results here = ops.where(Fields{{"norm", norm}});
    curves.curves.push_back(curve(here, "width", "forward_ns", {name + " forward", name + " 前向"}));
    curves.curves.push_back(curve(here, "width", "both_ns", {name + " both ways", name + " 前向加反向"}));
  }
  Table table{{Text{"norm", "归一化"}, Text{"loss (nats)", "损失 (nat)"}, Text{"steps per second", "步/秒"}}, {}};
  for (const char* norm : {"layer", "rms"}) {
    const Results here = training(results, norm);
    table.rows.push_back(
        {norm[0] == 'l' ? "LayerNorm" : "RMSNorm", to_string(here.of("loss")), to_string(here.of("steps_per_s"))});
  }
  return {{{"Time of the norm alone, one core", "归一化单独的耗时（单核）"},
           {"Both are fused into one pass here; the fastest of 41 repetitions.",
            "本库中两者都融合为一遍计算；取 41 次中最快的。"},
           std::move(curves)},
          {{"A small model trained with each", "小模型分别训练的结果"}, {}, std::move(table)}};
}

const Registration registration({
    .place = 10,
    .name = "rmsnorm",
    .title = {"RMSNorm and LayerNorm", "RMSNorm 与 LayerNorm"},
    .question = {"Is RMSNorm faster, by how much, and does it train as well?",
                 "RMSNorm 是否更快？快多少？训练效果是否相当？"},
    .setup =
        {"The op on 262,144 numbers, and a Pre-LN model of 4 layers, width 64, for 300 steps of Adam at 2e-3. Times "
         "depend on the machine and on what else runs there: they are not the same in every run.",
         "对 262144 个数做归一化；以及 4 层、宽度 64 的 Pre-LN 模型用 Adam 2e-3 训练 300 步。耗时取决于机器及其负载，"
         "每次运行不会完全相同。"},
    .source = "Zhang & Sennrich 2019, arXiv 1910.07467, tables",
    .seeds_quick = 5,
    .seeds_full = 5,
    .alone = true,
    .cells = cells,
    .seconds = [](const Cell& cell) { return cell.text("kind") == "op" ? 0.1 : training_seconds(cell); },
    .measure = [](const Cell& cell) { return cell.text("kind") == "op" ? time_op(cell) : train_timed(cell); },
    .figures = figures,
    .claims = {{.article = {"RMSNorm is faster, in inference by 5 to 10 % and in training too.",
                            "RMSNorm 推理速度提升约 5~10%，训练速度也有提升。"},
                .paper = {"Transformer training took 6.9 % less time (248 to 231 s per 1,000 steps, V100); 7 to 64 % "
                          "over all models. "
                          "5 to 10 % of inference has no source.",
                          "Transformer 训练耗时减少 6.9%（V100，每千步 248 秒降为 231 秒）；各模型为 7%~64%。推理 "
                          "5~10% 没有出处。"},
                .source = "Zhang & Sennrich 2019",
                .criteria = {{{"op forward, RMSNorm to LayerNorm, width 1024",
                               "前向耗时，RMSNorm 与 LayerNorm 之比，宽度 1024"},
                              [](const Results& r) {
                                return ratio(r, {{"kind", "op"}, {"width", 1024}}, "forward_ns");
                              },
                              0,
                              1},
                             {{"training, steps per second, RMSNorm to LayerNorm",
                               "训练步/秒，RMSNorm 与 LayerNorm 之比"},
                              [](const Results& r) {
                                return ratio(r, {{"kind", "training"}}, "steps_per_s");
                              },
                              1}},
                .remark = {"Only that it is faster at all is tested. The factor is this machine's, with a fused "
                           "LayerNorm; 5 to 10 % of inference is not tested.",
                           "这里只检验是否更快；具体倍数属于本机和融合实现的 LayerNorm，推理 5~10% 未作检验。"}},
               {.article = {"RMSNorm trains as well as LayerNorm or slightly better.",
                            "RMSNorm 效果与 LayerNorm 相当或略优。"},
                .paper = {"BLEU 26.6 / 27.7 against 26.8 / 27.7.", "BLEU 26.6 / 27.7，LayerNorm 为 26.8 / 27.7。"},
                .source = "Zhang & Sennrich 2019",
                .criteria = {{{"difference of losses in standard errors", "损失之差（以标准误为单位）"},
                              [](const Results& r) {
                                const Estimate d =
                                    r.where(Fields{{"kind", "training"}}).over_seeds([](const Results& s) {
                                      return training(s, "rms").mean("loss") - training(s, "layer").mean("loss");
                                    });
                                if (d.count < 2 || d.sd == 0) return Estimate{};
                                return estimate({d.mean / (d.sd / std::sqrt(static_cast<double>(d.count)))});
                              },
                              -2,
                              2}}}},
});

}  // namespace

}  // namespace tape::inline TAPE_ABI::lab
