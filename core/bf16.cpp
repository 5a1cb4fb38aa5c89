#include <tape/core/bf16.h>

#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI {

void round_to_bf16(const real* x, bf16* out, int64_t n) {
  parallel_for(n, elementwise_grain,
               [=](int64_t begin, int64_t end) { round_row(x + begin, out + begin, end - begin); });
}

void from_bf16(const bf16* x, real* out, int64_t n) {
  parallel_for(n, elementwise_grain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) out[i] = static_cast<real>(to_f32(x[i]));
  });
}

}  // namespace tape::inline TAPE_ABI
