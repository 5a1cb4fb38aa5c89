#include "course.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <tape/examples/support/numbers.h>

namespace tape::inline TAPE_ABI::report {

namespace {

constexpr std::size_t most_rows = 25;

bool drawable(const tool::Point& p, bool log_y) {
  return std::isfinite(p.y) && (p.y > 0 || !log_y);
}

Table table_of(const ChartWords& words, const std::vector<Line>& lines) {
  std::map<double, std::vector<std::string>> rows;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const tool::Point& p : lines[i].points) {
      std::vector<std::string>& row = rows[p.x];
      row.resize(lines.size());
      row[i] = number_text(p.y);
    }
  }
  Table table{{words.x_name}, {}};
  for (const Line& line : lines) table.head.emplace_back(line.name);
  const std::vector<std::size_t> chosen = tool::some_of(rows.size(), most_rows);
  auto next = chosen.begin();
  std::size_t number = 0;
  for (const auto& [step, row] : rows) {
    if (next == chosen.end() || number++ != *next) continue;
    ++next;
    table.rows.push_back({tool::grouped(std::llround(step))});
    table.rows.back().insert(table.rows.back().end(), row.begin(), row.end());
  }
  return table;
}

// One value of the lines of metrics, where there is one.
std::vector<Line> lines_of(const std::vector<RunData>& runs, std::optional<double> tool::Metrics::*value) {
  std::vector<Line> lines;
  for (const RunData& run : runs) {
    Line line{.name = run.name, .points = {}, .failed_at = run.diverged_at()};
    for (const tool::Metrics& m : run.metrics) {
      if (m.*value) line.points.push_back({static_cast<double>(m.step), *(m.*value)});
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

// Losses that lie far apart, as those of a run that went astray, need a logarithmic axis.
bool far_apart(const std::vector<Line>& lines) {
  double low = std::numeric_limits<double>::infinity();
  double high = 0;
  for (const Line& line : lines) {
    for (const tool::Point& p : line.points) {
      if (!drawable(p, true)) continue;
      low = std::min(low, p.y);
      high = std::max(high, p.y);
    }
  }
  return high > 30 * low;
}

}  // namespace

std::string chart(const ChartWords& words, const std::vector<Line>& lines, Language language) {
  tool::LineChart drawing{.x_name = lab::line(words.x_name, language),
                          .y_name = lab::line(words.y_name, language),
                          .guides = words.guides,
                          .log_y = words.log_y,
                          .height = 360};
  for (const Line& line : lines) {
    const bool any = std::ranges::any_of(line.points, [&](const tool::Point& p) { return drawable(p, words.log_y); });
    if (!any) continue;
    tool::Series series{.name = line.name, .points = line.points};
    if (line.failed_at) {
      series.crosses.push_back({static_cast<double>(*line.failed_at), std::numeric_limits<double>::quiet_NaN()});
      drawing.cross_name = lab::line({"diverged", "发散"}, language);
    }
    drawing.series.push_back(std::move(series));
  }
  if (drawing.series.empty()) return "";
  return html_of(Panel{words.id, words.title, words.caption, tool::to_svg(drawing), table_of(words, lines)}, language);
}

Section course_section(const std::vector<RunData>& runs, Language language) {
  Section section{"course", {"Course", "训练过程"}, ""};
  const auto add = [&](ChartWords words, std::optional<double> tool::Metrics::*value) {
    const std::vector<Line> lines = lines_of(runs, value);
    words.log_y = words.log_y || (value != &tool::Metrics::lr && far_apart(lines));
    section.html += chart(words, lines, language);
  };
  const Text nats{"loss, nats", "损失（nat）"};
  add({"loss",
       {"Training loss", "训练损失"},
       {"Of the batches of single steps, before their update.", "单个训练步的批次上的损失，更新之前。"},
       nats},
      &tool::Metrics::loss);
  add({"validation-loss",
       {"Validation loss", "验证损失"},
       {"Always on the same held-out texts.", "始终在同一批留出文本上计算。"},
       nats},
      &tool::Metrics::val_loss);
  add({"learning-rate", {"Learning rate", "学习率"}, {}, {"learning rate", "学习率"}}, &tool::Metrics::lr);
  add({.id = "gradient-norm",
       .title = {"Gradient norm", "梯度范数"},
       .caption = {"Of all gradients together, before clipping.", "全部梯度合在一起的范数，裁剪之前。"},
       .y_name = {"‖g‖", "‖g‖"},
       .log_y = true},
      &tool::Metrics::grad_norm);
  if (section.html.empty()) {
    section.html = lab::element("p", {"Nothing has been logged yet.", "还没有任何记录。"}, language);
  }
  return section;
}

}  // namespace tape::inline TAPE_ABI::report
