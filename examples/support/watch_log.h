// watch.jsonl: what went on inside the model in some of a run's steps, one JSON object in a line:
//
//   {"step":200,
//    "parts":["embedding","blocks.0","blocks.1","head"],        where parameters belong; those of an encoder-decoder
//                                                               model are "encoder.blocks.0", "decoder.blocks.0"
//    "grad_norm":[0.11,0.32,0.28,0.02],                         √Σg² over a part's gradients, before clipping
//    "grad_non_finite":[0,0,0,0],                               share of its gradients that are NaN or infinite
//    "update_ratio":[2e-3,1e-3,1e-3,null],                      ‖ΔW‖/‖W‖ of a part's matrices; about 1e-3 is healthy
//    "layers":["blocks.0","blocks.1"],
//    "resid_rms":[0.9,1.4],                                     √mean(x²) of the residual stream behind a layer
//    "non_finite":[0,0],                                        share of NaN and infinite numbers in the stream and in
//                                                               what attention and feed-forward add to it
//    "max_logit":[3.1,4.2],                                     largest score of self-attention, as softmax sees it
//    "max_cross_logit":[…],                                     of cross-attention; encoder-decoder models only
//    "gains":["blocks.0.attn_residual.norm_input",…],           norms, and other learned gains: of residual branches,
//                                                               of heads, and the factors α of DyT and Derf
//    "gain_rms":[…],"gain_min":[…],"gain_max":[…],              over a gain's columns
//    "first_non_finite":{"kind":"activation","name":"blocks.1.hook_mlp_out"}}     a step that failed only
//
// "step" counts from 1, as in metrics.jsonl. Averages are over all positions of the step's batches. What is not a
// finite number, or does not exist (the update of a step that failed, of a part without matrices, the cross-attention
// of an encoder) is null. "kind" is the first of these that was found: weight (a value that the step began with),
// activation (a tap, in the order of computation), loss, gradient (a tap's, in the order of backward) and
// weight_gradient.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tape/examples/support/line_log.h>

namespace tape::inline TAPE_ABI::tool {

/// The first place where a number was not finite, see above. Nowhere: `kind` is empty.
struct NonFinite {
  std::string kind = {};
  std::string name = {};

  explicit operator bool() const { return !kind.empty(); }
};
/// "the activations at blocks.1.hook_mlp_out".
std::string describe(const NonFinite& place);

/// One line. What is null there is NaN here.
struct WatchRecord {
  int64_t step = 0;
  std::vector<std::string> parts = {};
  std::vector<double> gradient_norm = {}, gradient_non_finite = {}, update_ratio = {};  ///< by part
  std::vector<std::string> layers = {};
  std::vector<double> residual_rms = {}, non_finite = {}, max_logit = {};  ///< by layer
  std::vector<double> max_cross_logit = {};                                ///< by layer, or empty
  std::vector<std::string> gains = {};
  std::vector<double> gain_rms = {}, gain_min = {}, gain_max = {};  ///< by gain
  NonFinite first_non_finite = {};
};

class WatchLog {
 public:
  /// See LineLog.
  WatchLog(const std::string& path, int64_t keep) : log_(path, keep) {}
  /// Appends one line, which is in the file when this returns. Throws Error when it can not be written.
  void write(const WatchRecord& record);

 private:
  LineLog log_;
};

/// All complete lines. Throws Error that names the file and the line for one that is not of this form, or has other
/// parts, layers or gains than the first.
std::vector<WatchRecord> read_watch(const std::string& path);

}  // namespace tape::inline TAPE_ABI::tool
