// The Newton-Schulz iteration of Muon.
#pragma once

#include <tape/core/gemm.h>

namespace tape::inline TAPE_ABI::optim {

/// Brings the singular values of x, all of them at most 1, near 1 in place: `iterations` times
///
///   X ← a·X + (b·XXᵀ + c·(XXᵀ)²)·X        (a, b, c) = (3.4445, −4.7750, 2.0315)
///
/// with XᵀX from the right instead when x has more rows than columns, so that the square is the smaller one.
void newton_schulz(MutableMatrix x, int iterations);

}  // namespace tape::inline TAPE_ABI::optim
