// Progress of a training run, as a person wants to see it:
//
//   850/2000  loss 1.623  val 1.702 at 800  0:36 left  31.2k tok/s  lr 8.1e-04  grad 0.42
//
// Here the loss is averaged over about the last twenty steps, since that of a single batch jumps about, and the
// validation loss is that of step 800, the last one where it was measured.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tape/examples/support/screen.h>
#include <tape/examples/support/trainer.h>

namespace tape::inline TAPE_ABI::tool {

class Progress {
 public:
  /// Of a run of `steps` steps, validated every `eval_every`, that is continued after step `done` (0: it is new).
  Progress(int64_t steps, int64_t done, int64_t eval_every);

  /// A step was done, and took this long.
  void stepped(const StepResult& result, double seconds);
  /// The validation loss was measured, which took this long.
  void validated(double loss, double seconds);
  /// Time spent on something else, such as saving.
  void spent(double seconds) { seconds_ += seconds; }

  /// Shows the status; see StatusLine.
  void show(bool important);
  /// Ends the status line, so that other text can follow.
  void end() { line_.end(); }

  /// Training speed over about the last twenty steps.
  double tokens_per_second() const;
  /// Time spent so far.
  double seconds() const { return seconds_; }

 private:
  /// An average in which what lies twenty steps back counts little.
  struct Recent {
    double sum = 0;
    double weight = 0;
    void add(double value);
    double mean() const { return weight > 0 ? sum / weight : 0; }
  };

  std::vector<std::string> parts() const;
  double seconds_left() const;

  int64_t steps_;
  int64_t first_;
  int64_t done_;
  int64_t eval_every_;
  StepResult last_;
  Recent loss_;
  Recent tokens_;
  Recent step_time_;
  std::optional<double> validation_loss_;
  int64_t validated_ = 0;          // the step it belongs to
  double validation_seconds_ = 0;  // the last time
  double seconds_ = 0;
  StatusLine line_;
};

}  // namespace tape::inline TAPE_ABI::tool
