// The matrix products of oneDNN, an optional library. onednn_gemm.cpp is the only file that sees it; in a build without
// it, and in the f64 twin, onednn_absent.cpp stands in its place.
//
// While oneDNN 2.6 multiplies, the stack pointer of the thread may point into the heap, where the frame of a signal
// handler would overwrite what lies below: programs that handle signals block them in the threads that compute, as the
// tool does (examples/support/interrupt.h).
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

#include <tape/core/gemm.h>

namespace tape::inline TAPE_ABI::onednn {

/// "oneDNN 2.6.3 with AVX2": what was loaded and the instructions it uses here; empty in a build without it.
std::string description();
/// Which of the products that BLAS would compute otherwise it computes here, as "all, and those of bf16"; empty in a
/// build without it.
std::string share();

/// Is oneDNN the faster of the two libraries for C (m, n) = op(A)·op(B)? Follows from the processor and the form of the
/// whole product alone, so that all its tiles are computed by the same library.
bool is_faster(Transpose ta, Transpose tb, int64_t m, int64_t n);

/// C (m, n) = alpha · op(A) · op(B) + beta · C, k > 0 being the summed size, on the calling thread alone. Returns
/// false, having computed nothing, where oneDNN can not: in a build without it, or when memory is short.
bool sgemm(Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k, real alpha, const real* a, int64_t lda,
           const real* b, int64_t ldb, real beta, real* c, int64_t ldc);

/// Has it products of bf16 for this processor? Version 2.6 needs AVX-512 for them.
bool has_bf16();

/// Does it multiply bf16 with AMX here?
bool has_amx();

/// What the operands of a prepared product are. f32 shows on any processor that everything else about it is right.
enum class Element { bf16, f32 };

/// C (m, n) = op(A)·op(B), or C += op(A)·op(B) with `add`, C and all sums in f32. k > 0 is the summed size.
struct ProductForm {
  Element element;
  Transpose ta, tb;
  int64_t m, n, k;
  int64_t lda, ldb, ldc;
  bool add;

  auto operator<=>(const ProductForm&) const = default;
};

/// A product whose code has been generated.
class PreparedProduct {
 public:
  virtual ~PreparedProduct() = default;
  /// Bytes of scratch memory that a run needs.
  virtual int64_t scratch_bytes() const = 0;
  /// Computes on the calling thread alone; any number of threads may at once, each with 64-byte-aligned scratch memory
  /// of its own. Throws nothing; returns false when oneDNN fails.
  virtual bool run(const void* a, const void* b, real* c, void* scratch) const noexcept = 0;
};

/// Finds or makes the product of this form: those used lately are kept, so that a step like the one before makes none.
/// Throws Error when oneDNN can not compute it here.
std::shared_ptr<const PreparedProduct> prepare(const ProductForm& form);

}  // namespace tape::inline TAPE_ABI::onednn
