// Sequence: token numbers and which of them belong together.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI::nn {

/// A batch of sequences. Converts from its ids alone.
struct Sequence {
  Ids ids;            ///< (B, T)
  Ids lengths = {};   ///< (B): positions from this one on are padding, which nothing sees
  Ids segments = {};  ///< (B, T): several texts packed into a row see only their own number; -1 is padding

  Sequence(const Ids& ids_) : ids(ids_) {}  // NOLINT: converts silently on purpose
  Sequence(const Ids& ids_, const Ids& lengths_, const Ids& segments_ = {})
      : ids(ids_), lengths(lengths_), segments(segments_) {}
};

}  // namespace tape::inline TAPE_ABI::nn
