// Products by the kernel of small_gemm, over all threads: those of small models, and those with weights that are packed
// once a step.
#pragma once

#include <tape/core/panels.h>

namespace tape::inline TAPE_ABI {

/// C = alpha · A · B + beta · C, in tiles that stay in the second-level cache until the epilogue is done. beta is 0 (C
/// is not read) or 1.
template <class E>
void multiply_panels(real alpha, const Left<E>& a, const Panels<E>& b, real beta, MutableMatrix c,
                     const Epilogue& epilogue);

/// Can the kernel be as fast as the libraries with the instructions that this is compiled for? Measured with AVX2 and
/// AVX-512; without them, and on Arm, the libraries compute.
#if defined(__AVX2__) && defined(__FMA__)
constexpr bool panels_are_fast = true;
#else
constexpr bool panels_are_fast = false;
#endif

/// Is the kernel faster than the libraries for C (m, n) = op(A)·op(B) with k summed numbers? So it is for the three
/// products of a small layer: y = x·Wᵀ, dx = dy·W, dW = dyᵀ·x.
bool panels_are_faster(Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k);

/// C = alpha · op(A) · op(B) + beta · C and the epilogue, as gemm computes it. A B that has no panels as it is gets
/// packed.
void panel_gemm(Transpose ta, Transpose tb, real alpha, ConstMatrix a, ConstMatrix b, real beta, MutableMatrix c,
                const Epilogue& epilogue);

}  // namespace tape::inline TAPE_ABI
