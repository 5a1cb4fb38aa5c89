// Rotary positions.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

struct RotaryOptions {
  int64_t heads = 1;      ///< heads that are rotated, from the first column on
  int64_t head_size = 0;  ///< D, even; columns beyond heads·D pass through unchanged
  double base = 10000.0;
  int64_t first_position = 0;  ///< position of row 0, for decoding with a cache
};

/// Turns the pairs (x_i, x_{i+D/2}) of each head, i < D/2, at position t by the angle t·base^(-2i/D).
/// x (B, T, W) with W ≥ heads·D → (B, T, W). The scores of rotated queries and keys then depend on distances only.
/// Su et al. 2021, arXiv 2104.09864, equation 34; the pairs are laid out as halves, as in Hugging Face's LLaMA.
Tensor rotary(const Tensor& x, const RotaryOptions& options, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
