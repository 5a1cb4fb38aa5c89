#include <tape/optim/newton_schulz.h>

#include <algorithm>

#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

// y = factor·x, n numbers.
void scaled(real factor, const real* x, real* y, int64_t n) {
  parallel_for(n, elementwise_grain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = factor * x[i];
  });
}

}  // namespace

void newton_schulz(MutableMatrix x, int iterations) {
  constexpr auto a = static_cast<real>(3.4445);
  constexpr auto b = static_cast<real>(-4.7750);
  constexpr auto c = static_cast<real>(2.0315);
  const bool tall = x.rows > x.columns;
  const int64_t n = std::min(x.rows, x.columns);
  const int64_t size = x.rows * x.columns;
  const Storage memory = Storage::of<real>(2 * n * n + size);
  const MutableMatrix square(memory.as<real>(), n, n);
  const MutableMatrix polynomial(square.data + n * n, n, n);
  const MutableMatrix next(polynomial.data + n * n, x.rows, x.columns);
  const auto read = [](const MutableMatrix& m) { return ConstMatrix(m.data, m.rows, m.columns); };
  for (int i = 0; i < iterations; ++i) {
    gemm(tall ? Transpose::yes : Transpose::no, tall ? Transpose::no : Transpose::yes, 1, read(x), read(x), 0, square);
    scaled(b, square.data, polynomial.data, n * n);
    gemm(Transpose::no, Transpose::no, c, read(square), read(square), 1, polynomial);
    scaled(a, x.data, next.data, size);
    if (tall) {
      gemm(Transpose::no, Transpose::no, 1, read(x), read(polynomial), 1, next);
    } else {
      gemm(Transpose::no, Transpose::no, 1, read(polynomial), read(x), 1, next);
    }
    scaled(1, next.data, x.data, size);
  }
}

}  // namespace tape::inline TAPE_ABI::optim
