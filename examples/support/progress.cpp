#include <tape/examples/support/progress.h>

#include <fmt/format.h>

#include <tape/examples/support/numbers.h>

namespace tape::inline TAPE_ABI::tool {

void Progress::Recent::add(double value) {
  constexpr double keep = 0.9;
  sum = keep * sum + value;
  weight = keep * weight + 1;
}

Progress::Progress(int64_t steps, int64_t done, int64_t eval_every)
    : steps_(steps), first_(done), done_(done), eval_every_(eval_every) {}

void Progress::stepped(const StepResult& result, double seconds) {
  ++done_;
  last_ = result;
  loss_.add(result.loss);
  tokens_.add(static_cast<double>(result.tokens));
  step_time_.add(seconds);
  seconds_ += seconds;
}

void Progress::validated(double loss, double seconds) {
  validation_loss_ = loss;
  validated_ = done_;
  validation_seconds_ = seconds;
  seconds_ += seconds;
}

double Progress::tokens_per_second() const {
  return step_time_.mean() > 0 ? tokens_.mean() / step_time_.mean() : 0;
}

void Progress::show(bool important) {
  line_.show(parts(), important);
}

double Progress::seconds_left() const {
  const int64_t steps = steps_ - done_;
  const int64_t validations = (steps_ + eval_every_ - 1) / eval_every_ - done_ / eval_every_;
  return static_cast<double>(steps) * step_time_.mean() + static_cast<double>(validations) * validation_seconds_;
}

std::vector<std::string> Progress::parts() const {
  std::vector<std::string> parts{fmt::format("{:{}}/{}", done_, fmt::formatted_size("{}", steps_), steps_)};
  if (done_ > first_) parts.push_back(fmt::format("loss {:.3f}", loss_.mean()));
  if (validation_loss_) {
    const std::string at = validated_ == done_ ? "" : fmt::format(" at {}", validated_);
    parts.push_back(fmt::format("val {:.3f}{}", *validation_loss_, at));
  }
  if (done_ == first_) return parts;
  parts.push_back(fmt::format("{} left", clock_time(seconds_left())));
  parts.push_back(fmt::format("{} tok/s", short_number(tokens_per_second())));
  parts.push_back(fmt::format("lr {:.1e}", last_.rate));
  parts.push_back(fmt::format("grad {:.2f}", last_.gradient_norm));
  return parts;
}

}  // namespace tape::inline TAPE_ABI::tool
