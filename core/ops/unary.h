// What all ops on single elements share: y_i = f(x_i), dx_i = dy_i · slope(s_i), where s is x or y, whichever is saved.
// Where it is x, others need not keep y.
#pragma once

#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

enum class Saves { input, output };

template <class F>
Tensor map(const Tensor& x, F f) {
  Tensor y = Tensor::uninitialized(x.shape());
  const real* in = x.data();
  real* out = y.mutable_data();
  parallel_for(x.size(), elementwise_grain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) out[i] = f(in[i]);
  });
  return y;
}

template <Saves saves, class F, class Slope>
Tensor unary(const char* name, const Tensor& x, Where where, F f, Slope slope) {
  const Op op(name, where);
  op.need({&x});
  const Tensor y = map(x, f);
  const auto backward = [slope](Backward& b, const Tensor& saved) {
    Storage gradient = b.room_of_dy();
    parallel_for(saved.size(), elementwise_grain,
                 [=, dy = b.dy(), s = saved.data(), dx = gradient.as<real>()](int64_t begin, int64_t end) {
#pragma omp simd
                   for (int64_t i = begin; i < end; ++i) dx[i] = dy[i] * slope(s[i]);
                 });
    b.give(0, std::move(gradient));
  };
  if constexpr (saves == Saves::output) {
    return op.record(y, {&x}, [=](Backward& b) { backward(b, y); });
  } else {
    const Saved saved(x);
    return op.record_cheap(
        y, {&x}, [=](Backward& b) { backward(b, b.value(saved)); },
        [=](Backward& b) { return map(b.value(saved), f); });
  }
}

}  // namespace tape::inline TAPE_ABI
