// Products on the calling thread of factors that are laid out for them: attention's, where a BLAS library spends more
// on its own preparations than on the product, and those with weights that are packed once a step.
#pragma once

#include <tape/core/panels.h>

namespace tape::inline TAPE_ABI {

/// C = alpha · A · B + beta · C, in f32 sums also of bf16 pairs. beta is 0 (C is not read) or 1.
template <class E>
void small_gemm(real alpha, const Left<E>& a, const Panels<E>& b, real beta, MutableMatrix c);

}  // namespace tape::inline TAPE_ABI
