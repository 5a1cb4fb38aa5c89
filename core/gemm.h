// Matrix products. gemm.cpp is the only file that sees BLAS; where oneDNN is there and faster, or a kernel of our own,
// they compute them instead.
//
// BLAS libraries that split a product over threads give other bits for another number of threads. Here a product is cut
// into a grid of tiles that follows from its shape alone, never along the summed size, and each tile is one
// single-threaded call: the result is the same with any number of threads.
#pragma once

#include <cstdint>
#include <string>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

/// A matrix in memory that someone else owns: element (i, j) is data[i·ld + j]. With ld larger than `columns`, heads
/// can be read out of packed projections in place.
template <class T>
struct Matrix {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t ld = 0;

  Matrix(T* data_, int64_t rows_, int64_t columns_, int64_t ld_)
      : data(data_), rows(rows_), columns(columns_), ld(ld_) {}
  Matrix(T* data_, int64_t rows_, int64_t columns_) : Matrix(data_, rows_, columns_, columns_) {}
  /// Rows begin … begin + count - 1.
  Matrix row_range(int64_t begin, int64_t count) const { return {data + begin * ld, count, columns, ld}; }
};
using ConstMatrix = Matrix<const real>;
using MutableMatrix = Matrix<real>;

enum class Transpose : bool { no, yes };

/// Who computes a product. `faster` chooses by the processor and the form of the product, see onednn.h and
/// panel_gemm.h; the others are for tests and measurements. onednn is openblas in a build without it. gemm_serial
/// chooses between the two libraries alone: panels are openblas there.
enum class GemmLibrary { faster, openblas, onednn, panels };

/// What `faster` means for C (m, n) = op(A)·op(B) with k summed numbers. Follows from the processor and the form of the
/// whole product alone, so that all its tiles are computed alike.
GemmLibrary fastest(Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k);

/// What is done to a tile of C when its product is complete, while it is in the cache: C += bias + residual, and then
/// activated = φ(C), element by element, by one of two functions.
struct Epilogue {
  const real* bias = nullptr;                                       ///< one number for each column
  const real* residual = nullptr;                                   ///< as large as C, and laid out like it
  void (*activation)(const real* x, real* y, int64_t n) = nullptr;  ///< y_i = φ(x_i), 0 ≤ i < n; y may be x
  void (*with_slope)(real* x, real* y, int64_t n) = nullptr;        ///< y_i = φ(x_i), and x_i becomes φ'(x_i)
  real* activated = nullptr;  ///< as large as C, and laid out like it; may be C, but not beside slopes
};

/// C = alpha · op(A) · op(B) + beta · C, over all threads, and the epilogue; op transposes on request. beta is 0 (C is
/// not read) or 1.
void gemm(Transpose ta, Transpose tb, real alpha, ConstMatrix a, ConstMatrix b, real beta, MutableMatrix c,
          const Epilogue& epilogue = {}, GemmLibrary library = GemmLibrary::faster);

/// The same as one call on the calling thread, for use inside a task.
void gemm_serial(Transpose ta, Transpose tb, real alpha, ConstMatrix a, ConstMatrix b, real beta, MutableMatrix c,
                 GemmLibrary library = GemmLibrary::faster);

/// What really was loaded: "OpenBLAS 0.3.21 SkylakeX, OpenMP". The other builds, pthread and serial, are slower here.
struct BlasInfo {
  std::string description;
  bool own_threads = false;  ///< a pthread build: correct, but slower beside our threads
};
BlasInfo blas_info();

}  // namespace tape::inline TAPE_ABI
