// What attention adds to a score for the distance between query and key alone: ALiBi's lines and T5's learned buckets.
#pragma once

#include <cstdint>

#include <tape/core/ops/attention.h>
#include <tape/core/storage.h>

namespace tape::inline TAPE_ABI {

/// The slope of head h, 0 ≤ h < heads: 2^(-8(h+1)/heads) for a power of two. For another number the heads up to the
/// power of two below it, n, have the slopes of n heads, and the others every second slope of 2n heads, from the first.
/// Press, Smith & Lewis 2021, arXiv 2108.12409, section 3, and the authors' code for other numbers of heads.
double alibi_slope(int64_t head, int64_t heads);

/// The bucket, 0 … buckets-1, of a key s seen from query t, position = s - t. Causal: exact for the nearest half of the
/// buckets, logarithmic up to max_distance, and later keys count as distance 0. Bidirectional: the same with half of
/// the buckets for each side, keys after the query in the upper half. Raffel et al. 2020, arXiv 1910.10683,
/// section 2.1, with the formula of the authors' code.
int64_t relative_bucket(int64_t position, bool bidirectional, int64_t buckets, int64_t max_distance);

/// The sum of these biases for every head and distance, of which there are 2S - 1.
struct DistanceBias {
  Storage values;   ///< real (H, 2S - 1): entry s - t + S - 1. None when nothing is added
  Storage buckets;  ///< int32 (2S - 1): rows of the learned table. None without it
  int64_t bucket_count = 0;
};

/// The biases that the options ask for, with S = keys, in memory of the size for S = room.
DistanceBias distance_bias(const AttentionOptions& options, int64_t keys, int64_t room);

}  // namespace tape::inline TAPE_ABI
