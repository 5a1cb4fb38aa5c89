// Ema: an exponential moving average of a model's values (Polyak & Juditsky 1992 average all of them; Tarvainen &
// Valpola 2017, arXiv 1703.01780, use this one): less noisy than the last values, and often better to evaluate.
//
//   optim::Ema ema(nn::parameters(gpt), {.decay = 0.999});
//   for (…) { … adamw.step(rate); ema.update(); }
//   { const auto scope = ema.values(); loss = validate(gpt); nn::save(path, gpt); }
#pragma once

#include <tape/optim/state.h>
#include <tape/optim/value_scope.h>

namespace tape::inline TAPE_ABI::optim {

struct EmaOptions {
  double decay = 0.999;  ///< d, 0 ≤ d < 1: values of about the last 1/(1 − d) updates count
  /// d_t = min(d, (1 + t)/(10 + t)) in update t, as TensorFlow's with num_updates: first values are soon forgotten.
  bool warmup = false;
  /// Begins at zero and divides by 1 − Π d_t, as Adam's averages do: the first values do not count at all. Without it
  /// the average begins at the values that the parameters have when it is made.
  bool bias_correction = false;
};

/// e ← d·e + (1 − d)·θ
class Ema {
 public:
  /// Throws Error for a decay out of its range, and for parameters that are null or have no values yet.
  explicit Ema(ParameterList parameters, const EmaOptions& options = {});

  /// Takes in the current values; call it after each step. Nothing is allocated, and the result does not depend on the
  /// number of threads. Throws Error while a scope of values() lives.
  void update();
  int64_t updates() const { return updates_; }

  /// The averages, in the place of the parameters' values for as long as the result lives. Before the first update
  /// these are the values themselves.
  ValueScope values();

  /// All that a continued run needs to go on bit for bit: ema.updates, ema.product and ema.value.PARAMETER.
  /// Copies nothing now: a later update copies what is still in use elsewhere.
  State state() const;
  /// Throws Error, having changed nothing, that lists all missing, unexpected and mismatched tensors.
  void load_state(const State& state);

 private:
  double decay_now() const;

  ParameterList parameters_;
  EmaOptions options_;
  std::vector<Storage> averages_;
  int64_t updates_ = 0;
  double product_ = 1;  // Π d_t
  bool open_ = false;
};

}  // namespace tape::inline TAPE_ABI::optim
