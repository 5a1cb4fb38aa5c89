// The course of runs, several on the same axes: what metrics.jsonl says.
#pragma once

#include <tape/examples/report/run_data.h>
#include <tape/examples/report/section.h>
#include <tape/examples/support/line_chart.h>

namespace tape::inline TAPE_ABI::report {

/// Loss, validation loss, learning rate and gradient norm over the steps.
Section course_section(const std::vector<RunData>& runs, Language language);

/// One line of a chart over steps.
struct Line {
  std::string name;
  std::vector<tool::Point> points;        ///< with steps ascending
  std::optional<int64_t> failed_at = {};  ///< a cross there
};
/// The words of such a chart, and how it is drawn.
struct ChartWords {
  std::string id;
  Text title, caption, y_name;
  Text x_name = {"step", "步"};
  bool log_y = false;
  std::vector<tool::Guide> guides = {};
};
/// The chart with its numbers, of 25 steps at most; without a line that can be drawn an empty text.
std::string chart(const ChartWords& words, const std::vector<Line>& lines, Language language);

}  // namespace tape::inline TAPE_ABI::report
