// metrics.jsonl: the course of a run, one JSON object in a line.
//
//   {"step":200,"loss":2.301,"val_loss":2.352,"lr":0.00098,"grad_norm":0.61,"tokens_per_s":31204,"seconds":5.2}
//
// "loss" and "grad_norm" are those of this very step, "lr" the rate it used; "val_loss" comes after its update and is
// there when it was measured. Step 0 is before the first update and has a "val_loss" only. What is not a finite number
// is null. "seconds" counts the time spent on the run so far, breaks left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tape/examples/support/line_log.h>

namespace tape::inline TAPE_ABI::tool {

struct Metrics {
  int64_t step = 0;
  std::optional<double> loss = {};
  std::optional<double> val_loss = {};
  std::optional<double> lr = {};
  std::optional<double> grad_norm = {};
  std::optional<double> tokens_per_s = {};
  double seconds = 0;
};

class MetricsLog {
 public:
  /// See LineLog.
  MetricsLog(const std::string& path, int64_t keep);

  /// Appends one line, which is in the file when this returns. Throws Error when it can not be written.
  void write(const Metrics& metrics);
  /// "seconds" of the last line that was kept, 0 without one.
  double seconds_before() const { return seconds_before_; }

 private:
  double seconds_before_ = 0;  // the log fills it when it opens
  LineLog log_;
};

/// All complete lines. Throws Error that names the file and the line for one that is not of this form.
std::vector<Metrics> read_metrics(const std::string& path);

}  // namespace tape::inline TAPE_ABI::tool
