// Norms that divide each row by a statistic of it, fused, forward and backward: LayerNorm, RMSNorm, ScaleNorm.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// Where ε stands: 1/√(s² + ε), or 1/(s + ε) as in the RMSNorm paper's own program.
enum class EpsPlace { inside, outside };

/// What LayerNorm and RMSNorm have beside their formulas.
struct NormOptions {
  double eps = 1e-5;
  EpsPlace eps_place = EpsPlace::inside;
  bool unit_offset = false;  ///< the gain is 1 + weight, as in Gemma, so that weight decay pulls it to 1
  double partial = 1;        ///< rms_norm: the statistic is that of the first ⌈partial·C⌉ columns (pRMSNorm)
};

/// LayerNorm over the last axis: y = (x - μ)/√(σ² + eps) ⊙ weight + bias with the mean μ and the biased variance σ² of
/// each row, computed around the mean. x (…, C), weight (C), bias (C), either of them or both absent (no tensor).
/// A row of equal numbers has x - μ = 0, output bias and a finite gradient, for eps = 0 zero. Rows of huge, tiny or
/// nearly equal numbers are as accurate as others: their statistics are taken in double. Saves μ and 1/√(σ²+eps) for
/// each row. Throws Error for a partial norm, which has no mean.
/// Ba, Kiros & Hinton 2016, arXiv 1607.06450, equations 3 and 4; eps is an addition of implementations.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& options,
                  Where where = Where::here());
inline Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps = 1e-5,
                         Where where = Where::here()) {
  return layer_norm(x, weight, bias, NormOptions{.eps = eps}, where);
}

/// RMSNorm over the last axis: y = x/√(mean(x²) + eps) ⊙ weight + bias, the same without the mean.
/// A row of zeros gives output bias and a finite gradient: dx = g/√eps with g = weight⊙dy, g/eps with eps outside of
/// the root, which is the limit of small rows, and 0 for eps = 0. In a partial norm this holds for a row whose first
/// ⌈partial·C⌉ numbers are zero; the others are multiplied by the same 1/√eps, 1/eps or 0.
/// Zhang & Sennrich 2019, arXiv 1910.07467, equation 4.
Tensor rms_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& options,
                Where where = Where::here());
inline Tensor rms_norm(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, double eps = 1e-5,
                       Where where = Where::here()) {
  return rms_norm(x, weight, bias, NormOptions{.eps = eps}, where);
}

/// ScaleNorm over the last axis: y = gain · x/max(‖x‖, eps). x (…, C), gain (1). Where ‖x‖ ≤ eps, y = gain·x/eps is
/// linear: its gradient there, a row of zeros included, is gain·dy/eps. With gain √C it is RMSNorm without weight.
/// Saves 1/max(‖x‖, eps) for each row. eps must be above 0. Nguyen & Salazar 2019, arXiv 1910.05895, equation 5.
Tensor scale_norm(const Tensor& x, const Tensor& gain, double eps = 1e-5, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
