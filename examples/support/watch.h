// Watch: looks into a model while it makes a step, and changes nothing about it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <tape/core/probe.h>
#include <tape/examples/support/model.h>
#include <tape/examples/support/watch_log.h>

namespace tape::inline TAPE_ABI::tool {

/// The calls of one step, in this order:
///
///   watch.begin(step);
///   for each batch: { const Probe probe(watch.batch(), watch.is_thorough()); forward; watch.loss(value); backward; }
///   watch.gradients();   // before clipping
///   the update
///   watch.updated();     // unless there was none
///   watch.record()
///
/// A tap that is passed several times, as with recomputation, counts once for each batch. Costs beside a usual step:
/// one pass over the stream and the branches of each layer, and three over gradients and values.
class Watch {
 public:
  /// `model` must live as long as the watch.
  explicit Watch(const Model& model);

  /// A new record. `thorough`, for a step that failed: looks at every tap, for the first number that is not finite.
  void begin(int64_t step, bool thorough = false);
  bool is_thorough() const { return thorough_; }
  Probe::Handler batch();
  void loss(double value);
  void gradients();
  void updated();
  const WatchRecord& record() const { return record_; }

 private:
  struct Gain {
    LeafPtr leaf;
    double offset = 0;  // 1: the gain is 1 + weight
  };
  /// Σx² over finite numbers, and counts of numbers.
  struct Sums {
    double squares = 0, finite = 0, all = 0;
    void add(const real* x, int64_t size);
    double rms() const;
    double non_finite() const;
  };

  void see(const std::string& name, Pass pass, const Tensor& x);
  void see_layer(std::size_t layer, const std::string& hook, const Tensor& x);
  void found(const char* kind, const std::string& name);
  void gains();

  std::vector<ParameterList> parts_;          // by part of the record
  std::map<std::string, std::size_t> layer_;  // number of a layer, by the prefix of its taps
  std::vector<Gain> gains_;
  WatchRecord empty_;  // names only
  WatchRecord record_;
  bool thorough_ = false;
  std::set<std::pair<std::string, Pass>> seen_;  // in this batch
  std::vector<Sums> stream_, numbers_;           // by layer
  std::vector<std::vector<Tensor>> before_;      // matrices before the update, by part
};

}  // namespace tape::inline TAPE_ABI::tool
