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

#include <tape/core/error.h>

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
  /// Opens the file to append to it. Lines after step `keep` are dropped, because a continued run writes them again;
  /// a negative `keep` starts an empty file. Throws Error when the file can not be read or written.
  MetricsLog(const std::string& path, int64_t keep);
  ~MetricsLog();
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  /// Appends one line, which is in the file when this returns. Throws Error when it can not be written.
  void write(const Metrics& metrics);
  /// "seconds" of the last line that was kept, 0 without one.
  double seconds_before() const { return seconds_before_; }

 private:
  std::string path_;
  int descriptor_ = -1;
  double seconds_before_ = 0;
};

}  // namespace tape::inline TAPE_ABI::tool
