// The matrix products of oneDNN, an optional library. onednn_gemm.cpp is the only file that sees it; in a build without
// it, and in the f64 twin, onednn_absent.cpp stands in its place.
#pragma once

#include <cstdint>
#include <string>

#include <tape/core/gemm.h>

namespace tape::inline TAPE_ABI::onednn {

/// "oneDNN 2.6.3 with AVX2 for all but …": what was loaded, the instructions it uses here and which products it
/// computes; empty in a build without it.
std::string description();

/// Is oneDNN the faster of the two libraries for products of this form? Follows from the processor and from how the
/// operands lie in memory, lda and ldb being their leading dimensions, and never from the sizes of a tile.
bool is_faster(Transpose ta, int64_t lda, Transpose tb, int64_t ldb);

/// C (m, n) = alpha · op(A) · op(B) + beta · C, k > 0 being the summed size, on the calling thread alone. Returns
/// false, having computed nothing, where oneDNN can not: in a build without it, or when memory is short.
bool sgemm(Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k, real alpha, const real* a, int64_t lda,
           const real* b, int64_t ldb, real beta, real* c, int64_t ldc);

}  // namespace tape::inline TAPE_ABI::onednn
