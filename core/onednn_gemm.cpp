#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>

#include <tape/core/error.h>
#include <tape/core/onednn.h>
#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI::onednn {

namespace {

// The bits of oneDNN's instruction sets contain those of the sets they extend.
bool has(dnnl::cpu_isa set) {
  static const auto present = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto bits = static_cast<unsigned>(set);
  return (present & bits) == bits;
}

const char* instructions() {
  if (has(dnnl::cpu_isa::avx512_core_amx)) return "AMX";
  if (has(dnnl::cpu_isa::avx512_core_bf16)) return "AVX-512 with bf16";
  if (has(dnnl::cpu_isa::avx512_core)) return "AVX-512";
  if (has(dnnl::cpu_isa::avx2)) return "AVX2";
  return "SSE";
}

char letter(Transpose t) {
  return t == Transpose::yes ? 'T' : 'N';
}

}  // namespace

std::string description() {
  const dnnl_version_t& v = *dnnl_version();
  const char* share = has(dnnl::cpu_isa::avx512_core) ? "all"
                      : has(dnnl::cpu_isa::avx2)      ? "all but those down the columns of wide matrices"
                                                      : "none";
  return str("oneDNN ", v.major, ".", v.minor, ".", v.patch, " with ", instructions(), " for ", share);
}

// With AVX-512 oneDNN won on every shape of training that was measured. With AVX2 it wins by 5 to 25 % as long as the
// summed index runs along the rows of both operands, as in y = x·Wᵀ, or down columns that lie close to each other; over
// wide rows its packing strides through memory, and it loses up to half. Below AVX2 nothing was measured.
bool is_faster(Transpose ta, int64_t lda, Transpose tb, int64_t ldb) {
  if (has(dnnl::cpu_isa::avx512_core)) return true;
  if (!has(dnnl::cpu_isa::avx2)) return false;
  constexpr int64_t close = 256;
  return (ta == Transpose::no || lda <= close) && (tb == Transpose::yes || ldb <= close);
}

bool sgemm(Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k, real alpha, const real* a, int64_t lda,
           const real* b, int64_t ldb, real beta, real* c, int64_t ldc) {
  const OneThread one_thread;
  return dnnl_sgemm(letter(ta), letter(tb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) == dnnl_success;
}

}  // namespace tape::inline TAPE_ABI::onednn
