#include <tape/examples/support/training_run.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include <tape/examples/support/metrics.h>
#include <tape/examples/support/progress.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(start_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class Run {
 public:
  Run(Trainer& trainer, const RunFolder& folder, const Interrupt& interrupt)
      : trainer_(trainer),
        folder_(folder),
        interrupt_(interrupt),
        metrics_(folder.metrics(), trainer.steps() > 0 ? trainer.steps() : -1),
        progress_(trainer.config().recipe.steps, trainer.steps(), trainer.config().reporting.eval_every) {
    const bool watches = trainer.config().reporting.watch_every > 0;
    if (watches) watch_.emplace(trainer.model());
    // What an earlier part of the run has written stays, but for steps that are made again.
    if (watches || std::filesystem::exists(folder.watch()))
      watch_log_.emplace(folder.watch(), trainer.steps() > 0 ? trainer.steps() : -1);
  }

  RunResult train() {
    const Reporting& reporting = trainer_.config().reporting;
    const int64_t steps = trainer_.config().recipe.steps;
    const auto is_due = [&](int64_t every) { return trainer_.steps() % every == 0 || trainer_.steps() == steps; };
    if (trainer_.steps() == 0) begin();
    while (trainer_.steps() < steps) {
      const StepResult made = trainer_.step(is_watched(trainer_.steps() + 1) ? &*watch_ : nullptr,
                                            [this] { return interrupt_.requested(); });
      if (made.stopped) {
        save();
        return ended(RunResult::End::interrupted);
      }
      result_.last = made;
      if (!result_.last.finite) return diverged();
      if (is_watched(trainer_.steps())) watch_log_->write(watch_->record());
      progress_.stepped(result_.last, clock_.lap());
      Metrics line = line_of_step();
      const bool validate = is_due(reporting.eval_every);
      if (validate) line.val_loss = measure();
      // The extra validation of the last step is none for the schedule, which a longer run would not have seen.
      if (trainer_.steps() % reporting.eval_every == 0) trainer_.observe(result_.validation_loss);
      if (validate || is_due(reporting.log_every)) metrics_.write(line);
      progress_.show(validate);
      const bool stop = interrupt_.requested();
      if (stop || is_due(reporting.save_every)) save();
      if (stop && trainer_.steps() < steps) return ended(RunResult::End::interrupted);
    }
    return ended(RunResult::End::finished);
  }

 private:
  bool is_watched(int64_t step) const {
    const int64_t every = trainer_.config().reporting.watch_every;
    return every > 0 && (step == 1 || step % every == 0 || step == trainer_.config().recipe.steps);
  }

  void begin() {
    const double loss = measure();
    metrics_.write({.step = 0, .val_loss = loss, .seconds = seconds()});
    progress_.show(true);
  }

  double measure() {
    result_.validation_loss = trainer_.validation_loss();
    progress_.validated(result_.validation_loss, clock_.lap());
    return result_.validation_loss;
  }

  void save() {
    trainer_.save(folder_.checkpoint());
    save_model(trainer_, folder_);
    progress_.spent(clock_.lap());
  }

  Metrics line_of_step() const {
    return {.step = trainer_.steps(),
            .loss = result_.last.loss,
            .lr = result_.last.rate,
            .grad_norm = result_.last.gradient_norm,
            .tokens_per_s = progress_.tokens_per_second(),
            .seconds = seconds()};
  }

  RunResult diverged() {
    Metrics line = line_of_step();
    line.step = trainer_.steps() + 1;  // the step that failed
    line.tokens_per_s = std::nullopt;
    metrics_.write(line);
    if (watch_) {
      trainer_.examine(*watch_);
      watch_log_->write(watch_->record());
      result_.first_non_finite = watch_->record().first_non_finite;
    }
    return ended(RunResult::End::diverged);
  }

  RunResult ended(RunResult::End end) {
    if (end == RunResult::End::interrupted) progress_.show(true);
    progress_.end();
    result_.end = end;
    result_.seconds = seconds();
    return result_;
  }

  double seconds() const { return metrics_.seconds_before() + progress_.seconds(); }

  Trainer& trainer_;
  const RunFolder& folder_;
  const Interrupt& interrupt_;
  MetricsLog metrics_;
  Progress progress_;
  Stopwatch clock_;
  std::optional<Watch> watch_;
  std::optional<WatchLog> watch_log_;
  RunResult result_;
};

}  // namespace

void save_model(Trainer& trainer, const RunFolder& folder) {
  const optim::ValueScope scope = trainer.evaluation();
  nn::save(folder.model(), trainer.model());
}

RunResult run_training(Trainer& trainer, const RunFolder& folder, const Interrupt& interrupt) {
  return Run(trainer, folder, interrupt).train();
}

}  // namespace tape::inline TAPE_ABI::tool
