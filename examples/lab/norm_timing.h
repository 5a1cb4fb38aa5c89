// How long norms take, alone and in a model. What is compared is timed within one cell, turn about, so that whatever
// slows the machine down slows all of it down. Processor time of one thread.
#pragma once

#include <tape/examples/lab/results.h>

namespace tape::inline TAPE_ABI::lab {

/// LayerNorm, RMSNorm and a LayerNorm composed of simpler ops, on `elements` numbers in rows of `width`: the fastest of
/// `repeats`, in ns per element, as {"layer_forward_ns", "layer_backward_ns", "rms_forward_ns", …, "composed_…"}.
/// Disturbances only ever add time.
Fields time_norms(const Cell& cell);

/// The cell's model (model_of) with LayerNorm and with RMSNorm: medians over `steps`, as {"layer_steps_per_s",
/// "layer_passes_per_s", "rms_…"}, of training steps with Adam and of forward passes.
Fields time_models(const Cell& cell);

}  // namespace tape::inline TAPE_ABI::lab
