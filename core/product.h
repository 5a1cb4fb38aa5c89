// Matrix products in a chosen precision: factors are rounded once and may enter several products.
#pragma once

#include <tape/core/bf16.h>
#include <tape/core/gemm.h>
#include <tape/core/onednn.h>
#include <tape/core/packed_matrix.h>
#include <tape/core/precision.h>
#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// One side of a product: a matrix in f32, or rounded to bf16, which takes half the memory; as second factor also a
/// packed one.
class Factor {
 public:
  /// x as a matrix (rows, last size). With f32 it shares the storage of x; otherwise it is a rounded copy.
  Factor(const Tensor& x, Precision precision);
  /// A matrix that has been rounded already, in storage of bf16.
  Factor(Precision precision, int64_t rows, int64_t columns, Storage rounded);
  /// A second factor in bf16.
  explicit Factor(PackedMatrix packed);

  Precision precision() const { return precision_; }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  const Storage& storage() const { return storage_; }  ///< of real, or of bf16; null when packed
  const PackedMatrix& packed() const { return packed_; }

 private:
  Precision precision_;
  int64_t rows_, columns_;
  Storage storage_;
  PackedMatrix packed_;
};

/// Is a matrix of this shape better packed when several products in this precision have it as their second factor?
bool worth_packing(Precision precision, int64_t rows, int64_t columns);

/// C = op(A)·op(B) + beta·C, over all threads, and the epilogue, in the precision that A and B have in common; C, all
/// sums and the epilogue are not rounded. beta is 0 (C is not read) or 1. The number of threads does not change the
/// result. Throws Error for a packed B beside anything but rows in bf16.
void multiply(Transpose ta, Transpose tb, const Factor& a, const Factor& b, real beta, MutableMatrix c,
              const Epilogue& epilogue = {});

/// The same for operands in memory of `element` by oneDNN's prepared products: what `multiply` does in bf16 unless B is
/// packed. lda and ldb are leading dimensions in elements, k > 0 is the summed size.
void multiply_prepared(onednn::Element element, Transpose ta, const void* a, int64_t lda, Transpose tb, const void* b,
                       int64_t ldb, int64_t k, real beta, MutableMatrix c, const Epilogue& epilogue = {});

}  // namespace tape::inline TAPE_ABI
