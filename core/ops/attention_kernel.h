// The loops of fused attention, on heads seen in place: forward and backward for one (batch, head) pair each.
#pragma once

#include <cstdint>

#include <tape/core/gemm.h>
#include <tape/core/ops/attention_bias.h>
#include <tape/core/precision.h>

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
  int64_t batch = 0, heads = 0, kv_heads = 0, queries = 0, keys = 0, head_size = 0;  // B, H, KV, T, S, D
  int64_t room = 0;  // ≥ keys: what memory is taken for, so that its size stays while a cache fills up
  real scale = 1;
  bool causal = false;
  int64_t window = 0;
  real softcap = 0;
  Tensor mask;
  Ids key_lengths;
  Ids segments = {}, key_segments = {};  // both or neither
  DistanceBias bias = {};
  double dropout = 0;
  Draw draw{0, 0, 0};
  Precision precision = Precision::f32;

  int64_t queries_per_key_head() const { return heads / kv_heads; }
};

/// What forward saves of the softmax of each query, (B, H, T) each: its weights are e^(score - shift)·factor.
struct SoftmaxRows {
  real* shift;   ///< the largest score; 0 without a key
  real* factor;  ///< 1/Σ e^(score - shift); 0 without a key
};

/// O = softmax(cap(scale·Q·Kᵀ) + bias + mask)·V. `tops` (B, H, T), if not null, gets the largest score of each query.
void attention_forward(const AttentionProblem& problem, HeadsView<const real> q, HeadsView<const real> k,
                       HeadsView<const real> v, HeadsView<real> out, SoftmaxRows rows, real* tops);

/// What backward computes; all of it is overwritten.
struct AttentionGradients {
  HeadsView<real> q, k, v;
  real* bias = nullptr;  ///< (B, H, buckets): each head's share of the learned table's gradient, if wanted
};

/// The gradients from dO and what forward saved. Shared key heads sum over their heads in order, and
/// each over its blocks of queries, the last one first.
void attention_backward(const AttentionProblem& problem, HeadsView<const real> q, HeadsView<const real> k,
                        HeadsView<const real> v, SoftmaxRows rows, HeadsView<const real> dout,
                        const AttentionGradients& gradients);

}  // namespace tape::inline TAPE_ABI
