// Clipping: keeps one bad batch from throwing a model off (Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063).
//
// All of these look at the gradients that a step would use: of parameters that have one and are not frozen.
#pragma once

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::optim {

/// ‖g‖ = √(Σ g²) over all gradients together, summed in double in an order that does not depend on the number of
/// threads. 0 without gradients; infinite or NaN when one of them is.
double grad_norm(const ParameterList& parameters);

/// Scales all gradients by min(1, max/(‖g‖ + 1e-6)) and returns ‖g‖ as it was before.
/// The same as torch.nn.utils.clip_grad_norm_, but for a norm that is not finite: then the gradients stay as they are,
/// so that it can be seen which one is at fault (Optimizer::step names it). A training loop checks the result:
///
///   const double norm = clip_grad_norm(adamw, 1.0);
///   if (!std::isfinite(norm)) …                       // stop with a message, or adamw.zero_grad() and go on
///
/// Throws Error unless max > 0; infinity only measures.
double clip_grad_norm(const ParameterList& parameters, double max);
double clip_grad_norm(const Optimizer& optimizer, double max);

/// Puts every element of every gradient into [-limit, limit]; NaN stays NaN. The same as
/// torch.nn.utils.clip_grad_value_. Throws Error unless limit > 0.
void clip_grad_value(const ParameterList& parameters, double limit);
void clip_grad_value(const Optimizer& optimizer, double limit);

}  // namespace tape::inline TAPE_ABI::optim
