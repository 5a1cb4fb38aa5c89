// Matrix products, plain and batched.
#pragma once

#include <tape/core/gemm.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// op(a)·op(b). a and b have rank 2, or rank 3 and more with the same leading sizes (a batch of products). op swaps the
/// last two axes on request: (…, M, K)·(…, K, N) → (…, M, N).
Tensor matmul(const Tensor& a, const Tensor& b, Transpose transpose_a = Transpose::no,
              Transpose transpose_b = Transpose::no, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
