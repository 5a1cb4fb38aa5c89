// What experiments measure with: models that start alike, what can be seen of them before training, and short trainings
// on a language whose entropy is known.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include <tape/examples/lab/results.h>
#include <tape/examples/support/markov_source.h>
#include <tape/nn/gpt.h>
#include <tape/optim/optimizer.h>
#include <tape/optim/schedule.h>

namespace tape::inline TAPE_ABI::lab {

/// A configuration from a cell's "scheme", "layers" and "width", and where it has them "heads" (else 4), "ratio" (of
/// the feed-forward's width to the model's, else 2), "norm" and "qk_norm" (0 or 1). The head is not tied.
nn::ModelConfig model_config(const Cell& cell, int64_t context);

/// Gives a model first values that differ between schemes by what the scheme asks for alone: all weights Xavier normal,
/// times the scheme's own gains where it comes with Xavier values (DeepNorm's β), and embeddings of unit variance.
/// GPT-2's small values, with which some schemes start otherwise, would hide how their streams grow.
void start_alike(const ParameterList& parameters, Seed seed);

/// model_config and start_alike with the cell's "context" and "seed".
nn::GPT model_of(const Cell& cell);

/// The language of most trainings; its first seed is fixed, so that all runs have the same entropy to reach.
const tool::MarkovSource& language();
/// What a cell's model learns: language(), or with the cell's "data" = "text" the small text of small_text.h.
struct Data {
  int64_t vocab = 0;
  double unigram_entropy = 0;  ///< in nats
  double bigram_entropy = 0;   ///< of a token, given the one before
  std::function<tool::Batch(int64_t rows, int64_t context, int64_t index)> batch = {};
};
const Data& data_of(const Cell& cell);
/// Batch number `index` of the run with this seed: runs of different seeds see different batches.
tool::Batch batch_of(const Cell& cell, int64_t rows, int64_t context, int64_t index);

/// A model at its start, seen on a few batches.
struct Snapshot {
  std::vector<double> gradient;  ///< ‖dL/dW‖, W the last weight of feed-forward, of each block; mean of batches first
  std::vector<double> stream;    ///< mean square of the stream after each block
  std::vector<double>
      norm_input;   ///< mean square of what the norm behind each feed-forward sees: x + f(x) or α·x + f(x)
  double loss = 0;  ///< in nats
};
/// Measures `model`, whose scheme gives the skip the gain `alpha`, on `batches` batches of 8 rows.
Snapshot snapshot(const nn::GPT& model, const Cell& cell, int64_t batches, double alpha = 1);

/// A short training. A step that can not be taken because a gradient is not finite ends it as failed.
struct Training {
  int64_t steps = 300;
  int64_t rows = 8;
  int64_t context = 32;
  optim::Schedule rate = optim::constant(1e-3);
  double clip = 0;  ///< 0: no clipping
};
struct Course {
  std::vector<double> losses;                                    ///< of each step, NaN from where it failed
  double final_loss = std::numeric_limits<double>::quiet_NaN();  ///< mean of the last tenth
  bool failed = false;  ///< not finite, or stuck: not 0.1 nat below what counting single letters gives
};
/// Trains by any optimizer what `loss` gives for each step. `stop`, if given, sees each step's loss and ends the
/// training by returning true; `stuck` is the final loss from which on it has failed.
Course train(const std::function<Tensor(int64_t step)>& loss, optim::Optimizer& optimizer, const Training& training,
             double stuck, const std::function<bool(int64_t step, double loss)>& stop = {});
/// The same for any model, a function from ids to logits, on its cell's data.
Course train(const std::function<Tensor(const Ids&, const nn::Context&)>& model, optim::Optimizer& optimizer,
             const Cell& cell, const Training& training,
             const std::function<bool(int64_t step, double loss)>& stop = {});

/// The same for a GPT and Adam as in the papers: β = (0.9, 0.98), ε = 1e-9.
Course train(const nn::GPT& model, const Cell& cell, const Training& training,
             const std::function<bool(int64_t step, double loss)>& stop = {});
/// Trains a cell's model, by Adam without clipping, with its "lr", "warmup" (a share of the steps; then lr stays, or
/// with "decay" = 1 falls in a straight line to 0), "steps", "rows" and "context", and gives {"loss", "failed"}.
Fields measure_training(const Cell& cell);
/// A guess for the seconds that measure_training takes.
double training_seconds(const Cell& cell);

/// Loss from which on a run counts as stuck, in nats: unigram entropy less 0.1.
double stuck_loss(const Data& data = data_of({}));

/// {"loss", "failed"} of a course.
Fields fields_of(const Course& course);

/// warmup(share·steps, peak), then the peak, or linear from there to 0.
optim::Schedule warmed(double peak, double share, int64_t steps, bool decays = false);

/// The largest cell value "lr" whose runs did not fail in any seed; half of the smallest when all failed, as an upper
/// bound.
double largest_working_rate(const Results& results);
/// The least mean "loss" over rates, those with a failed seed left out; NaN when there is none.
double best_loss(const Results& results);

}  // namespace tape::inline TAPE_ABI::lab
