// What all ops on single elements share: y_i = f(x_i), dx_i = dy_i · slope(s_i), where s is x or y, whichever is saved.
#pragma once

#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

enum class Saves { input, output };

template <Saves saves, class F, class Slope>
Tensor unary(const char* name, const Tensor& x, Where where, F f, Slope slope) {
  const Op op(name, where);
  op.need({&x});
  Tensor y = Tensor::uninitialized(x.shape());
  const real* in = x.data();
  real* out = y.mutable_data();
  parallel_for(x.size(), elementwise_grain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) out[i] = f(in[i]);
  });
  const Tensor saved = saves == Saves::input ? x : y;
  return op.record(y, {&x}, [saved, slope](Backward& b) {
    const GradView dx = b.grad(0);
    const real* dy = b.dy();
    const real* s = saved.data();
    parallel_for(saved.size(), elementwise_grain, [=](int64_t begin, int64_t end) {
      dx.put(begin, end, [=](int64_t i) { return dy[i] * slope(s[i]); });
    });
  });
}

}  // namespace tape::inline TAPE_ABI
