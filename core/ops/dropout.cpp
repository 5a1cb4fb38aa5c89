#include <tape/core/ops/dropout.h>

#include <cmath>

#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// Calls put(i, factor) for each element: 0 with probability p, else 1/(1-p).
template <class Put>
void for_each_factor(int64_t n, double p, const Draw& draw, Put put) {
  const auto drop_below = static_cast<uint64_t>(std::llround(p * 0x1p32));  // words are below 2^32
  const auto kept = static_cast<real>(1 / (1 - p));
  parallel_for(n, elementwise_grain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += 4) {
      const std::array<uint32_t, 4> words = draw.words(static_cast<uint64_t>(i / 4));
      for (int64_t j = 0; j < std::min<int64_t>(4, end - i); ++j) {
        put(i + j, words[static_cast<std::size_t>(j)] >= drop_below ? kept : real{0});
      }
    }
  });
}

}  // namespace

// y_i = x_i·m_i, m_i = 0 with probability p, else 1/(1-p)     dx_i = dy_i·m_i      saves the draw, not the mask
Tensor dropout(const Tensor& x, double p, Random& random, Where where) {
  const Op op("dropout", where);
  op.need({&x});
  if (!(p >= 0 && p < 1)) op.fail(str("p must be at least 0 and below 1, it is ", p));
  if (p == 0) return x;
  const Draw draw = random.next();
  Tensor y = Tensor::uninitialized(x.shape());
  for_each_factor(x.size(), p, draw,
                  [in = x.data(), out = y.mutable_data()](int64_t i, real m) { out[i] = in[i] * m; });
  return op.record(y, {&x}, [draw, p, n = x.size()](Backward& b) {
    const GradView dx = b.grad(0);
    for_each_factor(n, p, draw, [dx, dy = b.dy()](int64_t i, real m) { dx.put(i, dy[i] * m); });
  });
}

}  // namespace tape::inline TAPE_ABI
