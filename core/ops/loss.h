// Cross entropy.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

struct CrossEntropyOptions {
  int32_t ignore_index = -100;   ///< targets with this value do not count
  double label_smoothing = 0.0;  ///< ε: the target distribution is (1-ε)·onehot + ε/V. Szegedy et al. 2015
};

/// Mean over the targets that count of -Σ_v q_v·log softmax(logits)_v, in nats; rank 0. logits (…, V), targets with the
/// leading shape of logits. Throws Error for a target outside 0…V-1 that is not ignore_index, and when none counts.
Tensor cross_entropy(const Tensor& logits, const Ids& targets, const CrossEntropyOptions& options = {},
                     Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
