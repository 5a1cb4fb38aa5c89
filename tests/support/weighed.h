// Values weighed by probabilities, in plain loops: what fused attention must give for what attention_weights says.
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI::test {

/// z (B, T, H·D) with z_h = P_h·V_g, g = ⌊h·KV/H⌋, for p (B, H, T, S) and v (B, S, KV·D).
inline Tensor weighed(const Tensor& p, const Tensor& v, int64_t kv_heads) {
  const int64_t batch = p.shape()[0], heads = p.shape()[1], queries = p.shape()[2], keys = p.shape()[3];
  const int64_t size = v.last() / kv_heads;
  Tensor z = Tensor::zeros({batch, queries, heads * size});
  for (int64_t i = 0; i < z.size(); ++i) {
    const int64_t d = i % size, h = i / size % heads, t = i / z.last() % queries, b = i / z.last() / queries;
    double sum = 0;
    for (int64_t s = 0; s < keys; ++s) {
      sum += static_cast<double>(p.data()[((b * heads + h) * queries + t) * keys + s]) *
             static_cast<double>(v.data()[(b * keys + s) * v.last() + h * kv_heads / heads * size + d]);
    }
    z.mutable_data()[i] = static_cast<real>(sum);
  }
  return z;
}

}  // namespace tape::inline TAPE_ABI::test
