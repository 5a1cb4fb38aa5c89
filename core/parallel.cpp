#include <tape/core/parallel.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI {

int threads() {
  return omp_get_max_threads();
}

void set_threads(int count) {
  if (count < 1 || count > 1024) throw Error(str("set_threads: needs 1 to 1024 threads, not ", count));
  omp_set_num_threads(count);
}

OneThread::OneThread() {
  if (omp_in_parallel() || omp_get_max_threads() == 1) return;
  before_ = omp_get_max_threads();
  omp_set_num_threads(1);
}
OneThread::~OneThread() {
  if (before_ > 0) omp_set_num_threads(before_);
}

#if defined(__SSE2__)

FlushDenormals::FlushDenormals() noexcept : before_(_mm_getcsr()) {
  constexpr unsigned flush_to_zero = 0x8000;
  constexpr unsigned denormals_are_zero = 0x0040;
  _mm_setcsr(static_cast<unsigned>(before_) | flush_to_zero | denormals_are_zero);
}
FlushDenormals::~FlushDenormals() {
  _mm_setcsr(static_cast<unsigned>(before_));
}

#elif defined(__aarch64__)

FlushDenormals::FlushDenormals() noexcept : before_(0) {
  asm volatile("mrs %0, fpcr" : "=r"(before_));
  constexpr uint64_t flush_to_zero = uint64_t{1} << 24;
  asm volatile("msr fpcr, %0" : : "r"(before_ | flush_to_zero));
}
FlushDenormals::~FlushDenormals() {
  asm volatile("msr fpcr, %0" : : "r"(before_));
}

#else

FlushDenormals::FlushDenormals() noexcept : before_(0) {}
FlushDenormals::~FlushDenormals() = default;

#endif

}  // namespace tape::inline TAPE_ABI
