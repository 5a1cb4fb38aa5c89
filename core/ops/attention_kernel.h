// The loops of fused attention, on heads seen in place: forward and backward for one (batch, head) pair each.
#pragma once

#include <cstdint>

#include <tape/core/gemm.h>
#include <tape/core/ops/attention.h>

namespace tape::inline TAPE_ABI {

/// One of q, k, v or the output: the head h of batch element b is the (length, D) matrix that starts at
/// data + b·batch_step + h·D, with rows `ld` apart.
template <class T>
struct HeadsView {
  T* data = nullptr;
  int64_t ld = 0;
  int64_t batch_step = 0;

  Matrix<T> head(int64_t b, int64_t h, int64_t length, int64_t head_size) const {
    return {data + b * batch_step + h * head_size, length, head_size, ld};
  }
};

/// What a call of attention is about, besides its numbers.
struct AttentionProblem {
  int64_t batch = 0, heads = 0, queries = 0, keys = 0, head_size = 0;  // B, H, T, S, D
  real scale = 1;
  bool causal = false;
  Tensor mask;
  Ids key_lengths;
  double dropout = 0;
  Draw draw{0, 0, 0};
};

/// O = softmax(scale·Q·Kᵀ + mask)·V, and for each row the logarithm of its sum of exponentials: lse (B, H, T).
void attention_forward(const AttentionProblem& problem, HeadsView<const real> q, HeadsView<const real> k,
                       HeadsView<const real> v, HeadsView<real> out, real* lse);

/// dQ, dK and dV, overwritten, from dO and what forward saved.
void attention_backward(const AttentionProblem& problem, HeadsView<const real> q, HeadsView<const real> k,
                        HeadsView<const real> v, HeadsView<const real> out, const real* lse, HeadsView<const real> dout,
                        HeadsView<real> dq, HeadsView<real> dk, HeadsView<real> dv);

}  // namespace tape::inline TAPE_ABI
