// Layer normalisation and root-mean-square normalisation, fused, forward and backward.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// LayerNorm over the last axis: y = (x - μ)/√(σ² + eps) ⊙ weight + bias with the mean μ and the biased variance σ² of
/// each row, computed around the mean. x (…, C), weight (C), bias (C), either of them or both absent (no tensor).
/// A row of equal numbers has x - μ = 0, output bias and a finite gradient. Saves μ and 1/√(σ²+eps) for each row.
/// Ba, Kiros & Hinton 2016, arXiv 1607.06450, equations 3 and 4; eps is an addition of implementations.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps = 1e-5,
                  Where where = Where::here());

/// RMSNorm over the last axis: y = x/√(mean(x²) + eps) ⊙ weight + bias, the same without the mean.
/// A row of zeros gives output bias and a finite gradient. Zhang & Sennrich 2019, arXiv 1910.07467, equation 4.
Tensor rms_norm(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, double eps = 1e-5,
                Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
