// Matrix products: plain, batched, and the linear layer.
#pragma once

#include <tape/core/gemm.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// op(a)·op(b). a and b have rank 2, or rank 3 and more with the same leading sizes (a batch of products). op swaps the
/// last two axes on request: (…, M, K)·(…, K, N) → (…, M, N).
Tensor matmul(const Tensor& a, const Tensor& b, Transpose transpose_a = Transpose::no,
              Transpose transpose_b = Transpose::no, Where where = Where::here());

/// y = x·Wᵀ + b. x (…, I), weight (O, I), bias (O) or no tensor → (…, O). Where weight is a parameter, its precision is
/// that of the product and of the two in backward: both sides of each are rounded, once for all, and what is kept for
/// backward are the rounded numbers. Nothing rounded outlives the tape, so none can be older than its parameter.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
