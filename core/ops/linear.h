// The linear layer, alone and with what follows it: an activation, or the residual stream it is added to.
#pragma once

#include <tape/core/ops/activation.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// y = x·Wᵀ + b. x (…, I), weight (O, I), bias (O) or no tensor → (…, O). Where weight is a parameter, its precision is
/// that of the product and of the two in backward: both sides of each are rounded, once for all, and what is kept for
/// backward are the rounded numbers. Nothing rounded outlives the step, so none can be older than its parameter.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Where where = Where::here());

/// φ(x·Wᵀ + b): f(linear(x, weight, bias)) as one op. φ is applied to each tile of the product while it is in
/// the cache; backward computes the gradients of φ, of the bias and their rounding in one walk.
Tensor linear_activated(const Pointwise& f, const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        Where where = Where::here());

/// x·Wᵀ + b + residual: add(residual, linear(x, weight, bias)) as one op, the sum made tile by tile. residual (…, O).
Tensor linear_added(const Tensor& residual, const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                    Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
