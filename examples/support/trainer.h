// Trainer: a model of any architecture, its data and its recipe, and the steps that bring them together. No files, no
// screen.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tape/core/shards.h>
#include <tape/examples/support/config.h>
#include <tape/examples/support/corpus.h>
#include <tape/examples/support/model.h>
#include <tape/examples/support/watch.h>
#include <tape/optim/ema.h>

namespace tape::inline TAPE_ABI::tool {

struct StepResult {
  double loss = 0;           ///< mean over the targets of the step's batches, before its update
  double gradient_norm = 0;  ///< before clipping
  double rate = 0;           ///< learning rate
  int64_t tokens = 0;        ///< that the model has read, without padding
  bool finite = true;        ///< false: loss or gradient is not a finite number, and nothing was updated
  bool stopped = false;      ///< true: dropped on request; there are no numbers, and nothing was updated
};

/// What a run computes depends on the config and the corpus alone, and with the plateau schedule on what it is told by
/// observe(): not on the number of threads, nor on how often it was stopped and continued.
class Trainer {
 public:
  /// Builds and initialises everything. Throws Error for a config that can not be used.
  Trainer(const RunConfig& config, Corpus corpus);

  /// One update of the model, which `watch`, if given, looks at. Call it while steps() < the recipe's steps. Before
  /// each of its batches `stop`, if given, is asked whether to drop it: the next step begins anew.
  StepResult step(Watch* watch = nullptr, const std::function<bool()>& stop = {});
  /// Computes what step() begins with once more and updates nothing: to look at a step that failed. The record is
  /// thorough.
  void examine(Watch& watch);
  /// Updates done so far.
  int64_t steps() const { return steps_; }
  /// Mean loss over all targets of the validation rows, with the values of evaluation().
  double validation_loss() const;
  /// The values to validate and to save, in the model's place for as long as the result lives: averaged ones if the
  /// recipe or its optimizer has any. No step can be made meanwhile.
  optim::ValueScope evaluation() const;
  /// Tells the plateau schedule a validation loss; with other schedules nothing happens.
  void observe(double validation_loss);

  const RunConfig& config() const { return config_; }
  const Model& model() const { return model_; }
  const BatchSource& data() const { return *data_; }

  void save(const std::string& path) const;
  /// Goes on where the run stopped that wrote this checkpoint. Throws Error, having changed nothing, unless it fits.
  void load(const std::string& path);

 private:
  // Mean loss of the step's batches, its gradients and the number of its tokens.
  void compute_gradients(StepResult& result, Watch* watch, const std::function<bool()>& stop = {});
  // Adds the gradients of a batch, or of a shard of it, whose step has so many targets in all; returns its loss.
  double backward(const Batch& batch, int64_t dropout, int64_t targets, Watch* watch);

  RunConfig config_;
  std::unique_ptr<const BatchSource> data_;
  Model model_;
  ParameterList parameters_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<optim::Ema> ema_;  // if the recipe wants one
  optim::Schedule schedule_;
  std::optional<optim::Plateau> plateau_;
  Shards shards_;
  bool in_shards_;
  int64_t steps_ = 0;
};

}  // namespace tape::inline TAPE_ABI::tool
