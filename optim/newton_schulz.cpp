#include <tape/optim/newton_schulz.h>

#include <algorithm>
#include <utility>

#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

// P = a·I + b·A, both (n, n).
void first_terms(real a, real b, const real* square, real* polynomial, int64_t n) {
  const int64_t grain = std::max<int64_t>(1, elementwise_grain / n);
  parallel_for(n, grain, [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
#pragma omp simd
      for (int64_t i = r * n; i < (r + 1) * n; ++i) polynomial[i] = b * square[i];
      polynomial[r * n + r] += a;
    }
  });
}

ConstMatrix read(const MutableMatrix& m) {
  return {m.data, m.rows, m.columns};
}

}  // namespace

// A = XXᵀ,  P = a·I + b·A + c·A²,  X ← P·X; tall: A = XᵀX,  X ← X·P
void newton_schulz(MutableMatrix x, int iterations) {
  constexpr auto a = static_cast<real>(3.4445);
  constexpr auto b = static_cast<real>(-4.7750);
  constexpr auto c = static_cast<real>(2.0315);
  const bool tall = x.rows > x.columns;
  const int64_t n = std::min(x.rows, x.columns);
  const int64_t size = x.rows * x.columns;
  if (size == 0) return;
  const Storage memory = Storage::of<real>(2 * n * n + size);
  const MutableMatrix square(memory.as<real>(), n, n);
  const MutableMatrix polynomial(square.data + n * n, n, n);
  MutableMatrix now = x;
  MutableMatrix next(polynomial.data + n * n, x.rows, x.columns);
  for (int i = 0; i < iterations; ++i) {
    gemm(tall ? Transpose::yes : Transpose::no, tall ? Transpose::no : Transpose::yes, 1, read(now), read(now), 0,
         square);
    first_terms(a, b, square.data, polynomial.data, n);
    gemm(Transpose::no, Transpose::no, c, read(square), read(square), 1, polynomial);
    gemm(Transpose::no, Transpose::no, 1, read(tall ? now : polynomial), read(tall ? polynomial : now), 0, next);
    std::swap(now, next);
  }
  if (now.data != x.data) std::copy_n(now.data, size, x.data);
}

}  // namespace tape::inline TAPE_ABI::optim
