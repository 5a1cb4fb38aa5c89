#include "inside.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/examples/support/numbers.h>
#include <tape/examples/support/step_map.h>

namespace tape::inline TAPE_ABI::report {

namespace {

using tool::WatchRecord;
using Names = std::vector<std::string> WatchRecord::*;
using Values = std::vector<double> WatchRecord::*;

// One thing that is recorded for each of some rows.
struct Quantity {
  const char* id;
  Text title, caption, value_name;
  Text rows_name;
  Names rows;
  Values values;
  bool log;
};

const std::vector<Quantity>& quantities() {
  const Text layer{"layer", "层"};
  const Text part{"part of the model", "模型部分"};
  static const std::vector<Quantity> all{
      {"resid-rms",
       {"Residual stream", "残差流"},
       {"Root mean square of the residual stream behind each layer.", "每层之后残差流的均方根。"},
       {"RMS", "均方根"},
       layer,
       &WatchRecord::layers,
       &WatchRecord::residual_rms,
       true},
      {"grad-norm",
       {"Gradients", "梯度"},
       {"Norm of the gradients of each part's parameters, before clipping.", "模型各部分参数的梯度范数，裁剪之前。"},
       {"‖g‖", "‖g‖"},
       part,
       &WatchRecord::parts,
       &WatchRecord::gradient_norm,
       true},
      {"update-ratio",
       {"Updates", "更新量"},
       {"‖ΔW‖/‖W‖: how far a step moves the matrices of each part, beside their size.",
        "‖ΔW‖/‖W‖：一步更新相对于各部分权重矩阵大小的比例。"},
       {"‖ΔW‖/‖W‖", "‖ΔW‖/‖W‖"},
       part,
       &WatchRecord::parts,
       &WatchRecord::update_ratio,
       true},
      {"gains",
       {"Norm gains", "归一化增益"},
       {"Root mean square over the columns of each norm's gain, and of other learned gains.",
        "各归一化层增益（及其他可学习增益）在各列上的均方根。"},
       {"gain", "增益"},
       {"gain", "增益"},
       &WatchRecord::gains,
       &WatchRecord::gain_rms,
       false},
      {"max-logit",
       {"Largest attention logit", "最大注意力分数"},
       {"The largest score of each layer's self-attention as softmax sees it: scaled, capped, with biases.",
        "各层自注意力送入 softmax 的最大分数（已缩放、截断并加上偏置）。"},
       {"logit", "分数"},
       layer,
       &WatchRecord::layers,
       &WatchRecord::max_logit,
       false},
      {"max-cross-logit",
       {"Largest logit of cross-attention", "交叉注意力的最大分数"},
       {"The same for the decoder's attention to the encoder.", "解码器对编码器的注意力，定义同上。"},
       {"logit", "分数"},
       layer,
       &WatchRecord::layers,
       &WatchRecord::max_cross_logit,
       false},
      {"non-finite",
       {"Numbers that are not finite", "非有限数"},
       {"Share of NaN and infinite numbers among each layer's activations.", "各层激活值中 NaN 与无穷大所占的比例。"},
       {"share", "比例"},
       layer,
       &WatchRecord::layers,
       &WatchRecord::non_finite,
       false},
      {"grad-non-finite",
       {"Gradients that are not finite", "非有限梯度"},
       {"Share of NaN and infinite numbers among the gradients of each part.", "各部分梯度中 NaN 与无穷大所占的比例。"},
       {"share", "比例"},
       part,
       &WatchRecord::parts,
       &WatchRecord::gradient_non_finite,
       false}};
  return all;
}

const Quantity& quantity(std::string_view id) {
  return *std::ranges::find(quantities(), id, [](const Quantity& q) { return std::string_view(q.id); });
}

const std::vector<tool::Guide> guide{{1e-3, "1e-3"}};

// Rows that have a number in some step: an encoder has no cross-attention.
std::vector<std::size_t> rows_of(const RunData& run, const Quantity& q) {
  std::vector<std::size_t> rows;
  const std::size_t count = run.watch.empty() ? 0 : (run.watch.front().*q.values).size();
  for (std::size_t i = 0; i < count; ++i) {
    const bool any =
        std::ranges::any_of(run.watch, [&](const WatchRecord& r) { return std::isfinite((r.*q.values)[i]); });
    if (any) rows.push_back(i);
  }
  return rows;
}

std::vector<std::vector<double>> cells_of(const RunData& run, const Quantity& q) {
  std::vector<std::vector<double>> cells;
  for (const std::size_t i : rows_of(run, q)) {
    cells.emplace_back();
    for (const WatchRecord& r : run.watch) cells.back().push_back((r.*q.values)[i]);
  }
  return cells;
}

// A share that was 0 throughout needs no map.
bool is_worth_showing(const RunData& run, const Quantity& q) {
  const auto cells = cells_of(run, q);
  if (cells.empty()) return false;
  if (!std::string_view(q.id).ends_with("non-finite")) return true;
  return std::ranges::any_of(cells,
                             [](const auto& row) { return std::ranges::any_of(row, [](double v) { return v > 0; }); });
}

// Of all runs, so that their maps can be compared; one that diverged has a range of its own, or nothing could be told
// apart in the others.
std::optional<tool::Interval> range_for(const RunData& run, const std::vector<RunData>& runs, const Quantity& q) {
  if (run.diverged_at()) return tool::range_of(cells_of(run, q), q.log);
  std::vector<std::vector<double>> all;
  for (const RunData& other : runs) {
    if (other.diverged_at()) continue;
    for (std::vector<double>& row : cells_of(other, q)) all.push_back(std::move(row));
  }
  return tool::range_of(all, q.log);
}

Table table_of(const RunData& run, const Quantity& q) {
  Table table{{Text{"step", "步"}}, {}};
  const std::vector<std::size_t> rows = rows_of(run, q);
  for (const std::size_t i : rows) table.head.emplace_back((run.watch.front().*q.rows)[i]);
  for (const std::size_t n : tool::some_of(run.watch.size(), 12)) {
    table.rows.push_back({tool::grouped(run.watch[n].step)});
    for (const std::size_t i : rows) table.rows.back().emplace_back(number_text((run.watch[n].*q.values)[i]));
  }
  return table;
}

std::string map_of(const RunData& run, const std::string& prefix, const Quantity& q, const std::vector<RunData>& runs,
                   Language language) {
  tool::StepMap map{.x_name = lab::line({"step", "步"}, language),
                    .y_name = lab::line(q.rows_name, language),
                    .value_name = lab::line(q.value_name, language),
                    .empty_name = lab::line({"not finite, 0 or none", "非有限、为零或不存在"}, language),
                    .cells = cells_of(run, q),
                    .log = q.log,
                    .range = range_for(run, runs, q)};
  for (const WatchRecord& r : run.watch) map.steps.push_back(static_cast<double>(r.step));
  for (const std::size_t i : rows_of(run, q)) map.rows.push_back((run.watch.front().*q.rows)[i]);
  return html_of(Panel{prefix + q.id, q.title, q.caption, tool::to_svg(map), table_of(run, q)}, language);
}

// The updates of the embedding, of the first, the middle and the last layer, and of the head.
std::string update_lines(const RunData& run, const std::string& prefix, Language language) {
  const Quantity& q = quantity("update-ratio");
  const std::vector<std::size_t> rows = rows_of(run, q);
  std::vector<Line> lines;
  for (const std::size_t n : tool::some_of(rows.size(), 6)) {
    Line line{.name = run.watch.front().parts[rows[n]], .points = {}};
    for (const WatchRecord& r : run.watch)
      line.points.push_back({static_cast<double>(r.step), r.update_ratio[rows[n]]});
    lines.push_back(std::move(line));
  }
  return chart(
      {.id = prefix + "update-lines",
       .title = {"Updates of some parts", "部分模块的更新量"},
       .caption = {"The dotted line is a rule of thumb: far above 1e-3 a step changes too much, far below it the "
                   "model hardly learns.",
                   "虚线是经验准则：远高于 1e-3 说明每步改动过大，远低于则几乎没有学习。"},
       .y_name = q.value_name,
       .log_y = true,
       .guides = guide},
      lines, language);
}

// A quantity over depth, in the first and in the last step that was recorded.
std::string depth_lines(const RunData& run, const std::string& prefix, const char* id, Language language) {
  const Quantity& q = quantity(id);
  std::vector<Line> lines;
  const std::vector<std::size_t> rows = rows_of(run, q);
  const auto add = [&](const WatchRecord& r) {
    Line line{.name = lab::line({fmt::format("step {}", r.step), fmt::format("第 {} 步", r.step)}, language),
              .points = {}};
    for (std::size_t i = 0; i < rows.size(); ++i)
      line.points.push_back({static_cast<double>(i), (r.*q.values)[rows[i]]});
    lines.push_back(std::move(line));
  };
  add(run.watch.front());
  if (run.watch.size() > 1) add(run.watch.back());
  return chart({.id = prefix + "depth-" + id,
                .title = {q.title.en + " over depth", q.title.zh + "随深度的变化"},
                .caption = {"In the first and the last step that was recorded; in the order of the map's rows.",
                            "记录的第一步与最后一步；横轴顺序与热图的行一致。"},
                .y_name = q.value_name,
                .x_name = {q.rows_name.en + ", from 0", q.rows_name.zh + "（从 0 起）"},
                .log_y = q.log},
               lines, language);
}

double median(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

Text diverged_words(const RunData& run) {
  const tool::NonFinite& first = run.watch.back().first_non_finite;
  const int64_t step = *run.diverged_at();
  if (!first) return {fmt::format("Diverged at step {}.", step), fmt::format("在第 {} 步发散。", step)};
  std::string zh = first.name + " 的梯度";
  if (first.kind == "weight") zh = "权重 " + first.name;
  if (first.kind == "activation") zh = first.name + " 处的激活值";
  if (first.kind == "loss") zh = "各层之后的分数或损失";
  if (first.kind == "gradient") zh = first.name + " 处的梯度";
  return {fmt::format("Diverged at step {}. The first numbers that were not finite: {}.", step, tool::describe(first)),
          fmt::format("在第 {} 步发散。最先出现非有限数的位置：{}。", step, zh)};
}

}  // namespace

Section comparison_section(const std::vector<RunData>& runs, Language language) {
  Section section{"layers", {"Layers", "各层"}, ""};
  std::vector<Line> updates, stream, gradients;
  for (const RunData& run : runs) {
    if (run.watch.empty()) {
      const Text how{fmt::format("{} was not watched: layers are recorded by tapeformer train --watch.", run.name),
                     fmt::format("{} 未记录各层数据：训练时加上 tapeformer train --watch 即可记录。", run.name)};
      section.html += lab::element("p", how, language, "class=\"unwatched\"");
      continue;
    }
    Line update{.name = run.name, .points = {}, .failed_at = run.diverged_at()};
    for (const WatchRecord& r : run.watch)
      update.points.push_back({static_cast<double>(r.step), median(r.update_ratio)});
    updates.push_back(std::move(update));
    const auto profile = [&](std::vector<Line>& lines, const std::vector<double>& values) {
      Line line{.name = run.name, .points = {}};
      for (std::size_t i = 0; i < values.size(); ++i) line.points.push_back({static_cast<double>(i), values[i]});
      lines.push_back(std::move(line));
    };
    profile(stream, run.watch.back().residual_rms);
    profile(gradients, run.watch.back().gradient_norm);
  }
  if (updates.empty()) return section;
  section.html += chart({.id = "updates",
                         .title = {"Updates: the median part", "更新量：各部分的中位数"},
                         .caption = {"‖ΔW‖/‖W‖ of a step; the dotted line is the rule of thumb of 1e-3.",
                                     "一步的 ‖ΔW‖/‖W‖；虚线为 1e-3 的经验准则。"},
                         .y_name = {"‖ΔW‖/‖W‖", "‖ΔW‖/‖W‖"},
                         .log_y = true,
                         .guides = guide},
                        updates, language);
  if (updates.size() < 2) return section;  // a single run has these over depth in its own section
  section.html += chart({.id = "depth-resid-rms",
                         .title = {"Residual stream over depth", "残差流随深度的变化"},
                         .caption = {"In the last step that was recorded of each run.", "各运行记录的最后一步。"},
                         .y_name = {"RMS", "均方根"},
                         .x_name = {"layer, from 0", "层（从 0 起）"},
                         .log_y = true},
                        stream, language);
  section.html +=
      chart({.id = "depth-grad-norm",
             .title = {"Gradients over depth", "梯度随深度的变化"},
             .caption = {"In the last step that was recorded of each run: the embedding, the layers, the head.",
                         "各运行记录的最后一步：依次为嵌入层、各层、输出头。"},
             .y_name = {"‖g‖", "‖g‖"},
             .x_name = {"part of the model, from 0", "模型部分（从 0 起）"},
             .log_y = true},
            gradients, language);
  return section;
}

std::vector<Section> inside_sections(const std::vector<RunData>& runs, Language language) {
  std::vector<Section> sections;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunData& run = runs[i];
    if (run.watch.empty()) continue;
    const std::string prefix = fmt::format("run-{}-", i + 1);
    Section section{fmt::format("run-{}", i + 1), {"Inside " + run.name, run.name + " 的内部"}, ""};
    if (run.diverged_at()) section.html += lab::element("p", diverged_words(run), language, "class=\"diverged\"");
    for (const Quantity& q : quantities()) {
      if (is_worth_showing(run, q)) section.html += map_of(run, prefix, q, runs, language);
      if (std::string_view(q.id) == "update-ratio") section.html += update_lines(run, prefix, language);
      if (std::string_view(q.id) == "resid-rms" || std::string_view(q.id) == "grad-norm")
        section.html += depth_lines(run, prefix, q.id, language);
    }
    sections.push_back(std::move(section));
  }
  return sections;
}

}  // namespace tape::inline TAPE_ABI::report
