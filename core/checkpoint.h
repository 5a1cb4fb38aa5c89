// Recomputation: trade time for memory by not keeping what a part of the model computes on the way.
#pragma once

#include <utility>

#include <tape/core/random.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

/// y = f(x), where nothing that f computes is kept for backward: one node is recorded, and its backward runs f again on
/// a tape of its own (Chen et al. 2016, arXiv 1604.06174). f takes a tensor and returns one; it may use parameters,
/// whose gradients arrive as usual. Give `random` when f draws from it (dropout): its position is restored for the
/// second run. f is copied; what it refers to, and `random`, must live until backward.
template <class F>
Tensor checkpoint(F f, const Tensor& x, Random* random = nullptr, Where where = Where::here()) {
  const Op op("checkpoint", where);
  op.need({&x});
  const uint64_t before = random ? random->position() : 0;
  Tensor y;
  {
    const NoRecord off;
    y = f(x.detach()).detach();
  }
  return op.record_always(y, {&x}, [f = std::move(f), x, random, before](Backward& b) mutable {
    Tape inner;
    const Tensor input = inner.watch(x);
    const uint64_t after = random ? random->position() : 0;
    if (random) random->set_position(before);
    const Tensor again = f(input);
    if (random) random->set_position(after);
    inner.backward(again, b.dy_tensor());
    if (b.wants(0)) b.give(0, inner.grad(input).storage());
  });
}

/// y = f(x, memory), the same for a function of two tensors that both get a gradient. `memory` may be missing; f then
/// gets no tensor.
template <class F>
Tensor checkpoint(F f, const Tensor& x, const Tensor& memory, Where where = Where::here()) {
  const Op op("checkpoint", where);
  op.need({&x});
  Tensor y;
  {
    const NoRecord off;
    y = f(x.detach(), memory.detach()).detach();
  }
  return op.record_always(y, {&x, &memory}, [f = std::move(f), x, memory](Backward& b) mutable {
    Tape inner;
    const Tensor first = inner.watch(x);
    const Tensor second = memory ? inner.watch(memory) : memory;
    inner.backward(f(first, second), b.dy_tensor());
    if (b.wants(0)) b.give(0, inner.grad(first).storage());
    if (b.wants(1)) b.give(1, inner.grad(second).storage());
  });
}

}  // namespace tape::inline TAPE_ABI
