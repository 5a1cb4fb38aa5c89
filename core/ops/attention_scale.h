// One factor for each head of attention's output.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// y = x with the D columns of head h multiplied by factors_h. x (…, H·D), factors (H) → (…, H·D). The head scale of
/// NormFormer: Shleifer et al. 2021, arXiv 2110.09456, section 2.1.
Tensor scale_heads(const Tensor& x, const Tensor& factors, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
