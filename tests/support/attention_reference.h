// Which keys attention looks at, said once for all tests that compute it in a simpler way.
#pragma once

#include <cstdlib>

#include <tape/core/ops/attention.h>

namespace tape::inline TAPE_ABI::test {

/// Does query t of batch element b see key s, of so many queries and keys? A mask and biases are left aside.
inline bool sees(const AttentionOptions& o, int64_t queries, int64_t keys, int64_t b, int64_t t, int64_t s) {
  const int64_t distance = t + keys - queries - s;
  if (o.causal && distance < 0) return false;
  if (o.window > 0 && std::abs(distance) >= o.window) return false;
  if (o.key_lengths && s >= o.key_lengths.data()[b]) return false;
  if (!o.segments) return true;
  const Ids& of_keys = o.key_segments ? o.key_segments : o.segments;
  const int32_t own = o.segments.data()[b * queries + t];
  return own >= 0 && own == of_keys.data()[b * keys + s];
}

}  // namespace tape::inline TAPE_ABI::test
