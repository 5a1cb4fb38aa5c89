// Probes: named places in a model where tensors, and the gradients that come back to them, can be looked at.
//
// Modules call tap(prefix, "hook_resid_pre", x) at the places that users of TransformerLens know by these names:
// "blocks.3.hook_resid_pre", "blocks.3.attn.hook_z". With no Probe alive on the thread a tap returns x and costs a
// comparison; with one, its handler sees x now and the gradient dL/dx during backward. What no pass needs by itself,
// such as attention's probabilities ("hook_pattern"), is computed only for a probe that asks for it by name.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

enum class Pass { forward, backward };

struct ProbeOptions {
  /// What a probe sees of gradients takes a node on the tape for each tap, and where a tensor has other uses beside its
  /// tap, its gradients are added in another order. Without, it sees forward only, and leaves the tape alone.
  bool gradients = true;
  /// Names, without prefix, of what modules compute for probes alone. Their documentation lists these.
  std::vector<std::string> asked = {};
};

/// Receives what taps on this thread see while it lives. Probes nest; the innermost one receives.
class Probe {
 public:
  using Handler = std::function<void(const std::string& name, Pass pass, const Tensor& x)>;

  explicit Probe(Handler handler, ProbeOptions options = {});
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  static Probe* current();
  /// True when a probe is alive and the current one asked for this name.
  static bool asks_for(std::string_view name);
  bool sees_gradients() const { return options_.gradients; }
  void see(const std::string& name, Pass pass, const Tensor& x) const { handler_(name, pass, x); }

 private:
  Handler handler_;
  ProbeOptions options_;
  Probe* outer_;
};

/// The identity: hands x (…) to the current probe under the name "prefix.name" (or "name" with an empty prefix), and
/// its gradient during backward if the probe sees gradients.
Tensor tap(std::string_view prefix, std::string_view name, const Tensor& x, Where where = Where::here());

/// Summary of the numbers of one tensor.
struct Statistics {
  double mean = 0;
  double rms = 0;         ///< √mean(x²)
  double max_abs = 0;     ///< of the finite numbers
  double non_finite = 0;  ///< share of NaN and infinite numbers, 0 … 1; they do not enter the others
};
Statistics statistics(const Tensor& x);

/// One line of a recording.
struct Reading {
  std::string name;
  Pass pass;
  Statistics statistics;
};

/// A probe that keeps the statistics of everything it sees, in order.
class Recorder {
 public:
  Recorder();
  const std::vector<Reading>& readings() const { return readings_; }

 private:
  std::vector<Reading> readings_;
  Probe probe_;
};

}  // namespace tape::inline TAPE_ABI
