// Softmax and its logarithm over the last axis.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// y_i = e^(x_i - max) / Σ_j e^(x_j - max) along the last axis. x (…, C) → (…, C).
Tensor softmax(const Tensor& x, Where where = Where::here());
/// x_i - max - log Σ_j e^(x_j - max) along the last axis. x (…, C) → (…, C).
Tensor log_softmax(const Tensor& x, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
