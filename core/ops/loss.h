// Cross entropy.
//
// A step over several batches whose gradients add up ("gradient accumulation") has the mean over all of its targets
// only when each batch divides by their number, not by its own: means of batches, averaged, weigh a target in a batch
// with few of them more. In 2024 this mistake was found in Hugging Face's Trainer and in most other training programs.
//
//   const int64_t counted = count_targets(first.target) + count_targets(second.target);
//   for (const Batch* batch : {&first, &second}) {
//     Tape tape;
//     tape.backward(cross_entropy(model(batch->input), batch->target, {.divisor = static_cast<double>(counted)}));
//   }
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

struct CrossEntropyOptions {
  int32_t ignore_index = -100;   ///< targets with this value do not count
  double label_smoothing = 0.0;  ///< ε: the target distribution is (1-ε)·onehot + ε/V. Szegedy et al. 2015
  double divisor = 0;            ///< what the sum over targets is divided by; 0: the number of those that count
};

/// How many targets are not ignore_index.
int64_t count_targets(const Ids& targets, int32_t ignore_index = CrossEntropyOptions{}.ignore_index);

/// Mean over the targets that count of -Σ_v q_v·log softmax(logits)_v, in nats; rank 0. logits (…, V), targets with the
/// leading shape of logits. Throws Error for a target outside 0…V-1 that is not ignore_index, for a divisor that is
/// negative or not finite, and when no target counts, unless there is a divisor: then the loss is 0.
Tensor cross_entropy(const Tensor& logits, const Ids& targets, const CrossEntropyOptions& options = {},
                     Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
