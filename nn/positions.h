// Positions: how a model knows the order of its tokens.
#pragma once

#include <string_view>

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI::nn {

/// Learned: a trainable row for each position is added to the embedding. Sinusoidal: a fixed one. The others add
/// nothing there. Rotary: queries and keys are turned instead (core/ops/rotary.h). ALiBi: scores fall with the
/// distance. RelativeBias: scores get a learned number for their distance, as in T5 (both core/ops/attention_bias.h).
/// None: order is known from a causal mask alone, if there is one.
enum class Positions { Learned, Sinusoidal, Rotary, ALiBi, RelativeBias, None };
/// "learned", "sinusoidal", "rotary", "alibi", "relative" or "none". The second function throws Error for another name,
/// listing these.
std::string_view name_of(Positions positions);
Positions positions(std::string_view name);
/// True for learned and sinusoidal positions.
constexpr bool adds_to_embedding(Positions positions) {
  return positions == Positions::Learned || positions == Positions::Sinusoidal;
}

/// (length, width): sin(t/10000^(2i/C)) in column 2i and cos of the same in column 2i+1. Vaswani et al. 2017,
/// section 3.5.
Tensor sinusoidal_table(int64_t length, int64_t width);

}  // namespace tape::inline TAPE_ABI::nn
