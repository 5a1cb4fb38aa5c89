// The probabilities of attention, to look at: fused attention (core/ops/attention.h) never keeps them.
#pragma once

#include <tape/core/ops/attention.h>

namespace tape::inline TAPE_ABI::nn {

/// For each head h: softmax(cap(scale·Q_h·K_gᵀ) + biases + mask), what attention with the same options weighs values
/// with, dropout left out. q (B, T, H·D), k (B, S, KV·D), after norms and rotary positions → (B, H, T, S). Every row
/// sums to 1; hidden keys have 0, and a query that sees no key has zeros alone. Written as the formula says, score by
/// score in double precision, and independent of the fused loops: B·H·T·S·D multiplications by one thread, for pictures
/// and tests. The result is on no tape. Throws Error for sizes that do not fit, as attention does.
Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& options,
                         Where where = Where::here());

/// Row sums -Σ_s p·ln p in nats of probabilities (…, S) → (…): 0 where one key has all, ln S where all have the same.
Tensor row_entropy(const Tensor& probabilities, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI::nn
