// How far a matrix product is from the exact one.
#pragma once

#include <tape/core/gemm.h>

namespace tape::inline TAPE_ABI::test {

/// What C should be: alpha·op(A)·op(B) + beta·before + bias, with a bias for each column, if any. With beta 0, `before`
/// does not matter and may hold anything.
struct ExpectedProduct {
  Transpose ta = Transpose::no, tb = Transpose::no;
  double alpha = 1;
  ConstMatrix a, b;
  double beta = 0;
  ConstMatrix before = {nullptr, 0, 0};
  const real* bias = nullptr;
};

/// The largest error of C, computed anew in double, in units of the bound (K + 3)·ε·(|alpha|·Σ|a||b| + |beta·before| +
/// |bias|) that holds for any order of summation: at most 1 when C is right, 1e9 for NaN.
double product_error(const ExpectedProduct& expected, ConstMatrix c);

}  // namespace tape::inline TAPE_ABI::test
