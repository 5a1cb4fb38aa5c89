// What all ops on single elements share: y_i = f(x_i), dx_i = dy_i · slope(s_i), where s is x or y, whichever is saved.
// Where it is x, others need not keep y.
#pragma once

#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

enum class Saves { input, output };

template <Saves saves, class F, class Slope>
Tensor unary(const char* name, const Tensor& x, Where where, F f, Slope slope) {
  const Op op(name, where);
  op.need({&x});
  const auto map = [f](const Tensor& of) {
    Tensor y = Tensor::uninitialized(of.shape());
    parallel_for(of.size(), elementwise_grain, [=, in = of.data(), out = y.mutable_data()](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) out[i] = f(in[i]);
    });
    return y;
  };
  const Tensor y = map(x);
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
        y, {&x}, [=](Backward& b) { backward(b, b.value(saved)); }, [=](Backward& b) { return map(b.value(saved)); });
  }
}

}  // namespace tape::inline TAPE_ABI
