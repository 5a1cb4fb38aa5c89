// What takes a norm's place without any statistic: each number is squashed by itself.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// Dynamic Tanh: y = tanh(alpha·x) ⊙ weight + bias. x (…, C), alpha (1), weight and bias (C), either or both absent.
/// Saves x. Zhu et al. 2025, arXiv 2503.10622, equation 1.
Tensor dyt(const Tensor& x, const Tensor& alpha, const Tensor& weight, const Tensor& bias, Where where = Where::here());

/// Dynamic erf: y = erf(alpha·x + shift) ⊙ weight + bias. x (…, C), alpha and shift (1), weight and bias (C), either or
/// both absent. Saves x. Chen et al. 2025, arXiv 2512.10938.
Tensor derf(const Tensor& x, const Tensor& alpha, const Tensor& shift, const Tensor& weight, const Tensor& bias,
            Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
