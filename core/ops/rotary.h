// Rotary positions.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// Which columns of a head make a pair, of its `rotated` first ones.
enum class RotaryLayout {
  halves,       ///< (x_i, x_{i+rotated/2}): Hugging Face's LLaMA, GPT-NeoX
  interleaved,  ///< (x_{2i}, x_{2i+1}): the paper, Meta's LLaMA, GPT-J
};

struct RotaryOptions {
  int64_t heads = 1;      ///< heads that are rotated, from the first column on
  int64_t head_size = 0;  ///< D; columns beyond heads·D pass through unchanged
  double base = 10000.0;
  int64_t first_position = 0;  ///< position of row 0, for decoding with a cache
  int64_t rotated = 0;         ///< even: columns of each head that are turned, the others pass through; 0: all D
  RotaryLayout layout = RotaryLayout::halves;
};

/// Turns pair i of each head, i < rotated/2, at position t by the angle t·base^(-2i/rotated).
/// x (B, T, W) with W ≥ heads·D → (B, T, W). The scores of rotated queries and keys then depend on distances only.
/// Su et al. 2021, arXiv 2104.09864, equation 34. The layouts differ by an order of the columns alone: with the rows of
/// the projections to queries and keys in that order too, scores are the same.
Tensor rotary(const Tensor& x, const RotaryOptions& options, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
