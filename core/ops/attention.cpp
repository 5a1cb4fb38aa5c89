#include <tape/core/ops/attention.h>

#include <cmath>

#include <tape/core/ops/attention_kernel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// Checks the options against the sizes and draws the dropout mask's address.
AttentionProblem problem_of(const Op& op, const AttentionOptions& options, int64_t batch, int64_t queries, int64_t keys,
                            int64_t width, Random* random) {
  if (options.heads < 1 || width % options.heads != 0) {
    op.fail(str("width ", width, " must be a multiple of the number of heads, ", options.heads));
  }
  AttentionProblem p{.batch = batch,
                     .heads = options.heads,
                     .queries = queries,
                     .keys = keys,
                     .head_size = width / options.heads,
                     .causal = options.causal,
                     .mask = options.mask,
                     .key_lengths = options.key_lengths,
                     .dropout = options.dropout};
  p.scale = static_cast<real>(options.scale.value_or(1 / std::sqrt(static_cast<double>(p.head_size))));
  if (p.mask && p.mask.shape() != Shape{queries, keys} && p.mask.shape() != Shape{batch, queries, keys}) {
    op.fail(str("mask ", p.mask.shape(), " must be ", Shape{queries, keys}, " or ", Shape{batch, queries, keys}));
  }
  if (p.key_lengths && p.key_lengths.shape() != Shape{batch}) {
    op.fail(str("key_lengths ", p.key_lengths.shape(), " must be ", Shape{batch}, ", one for each sequence"));
  }
  if (!(p.dropout >= 0 && p.dropout < 1)) op.fail(str("dropout must be at least 0 and below 1, it is ", p.dropout));
  if (p.dropout > 0) {
    if (!random) op.fail("dropout needs random numbers: pass random");
    p.draw = random->next();
  }
  return p;
}

HeadsView<const real> view(const Tensor& x, int64_t offset = 0) {
  return {x.data() + offset, x.last(), x.shape()[1] * x.last()};
}
HeadsView<real> view(real* data, const Shape& shape, int64_t offset = 0) {
  return {data + offset, shape[2], shape[1] * shape[2]};
}

Cost cost_of(const AttentionProblem& p) {
  const double pairs = static_cast<double>(p.batch * p.heads * p.queries) * static_cast<double>(p.keys);
  return {.flops = 4 * pairs * static_cast<double>(p.head_size) * (p.causal ? 0.5 : 1)};
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options, Random* random,
                 Where where) {
  const Op op("attention", where);
  op.need({&q, &k, &v});
  if (q.rank() != 3 || k.rank() != 3 || k.shape() != v.shape() || q.shape()[0] != k.shape()[0] ||
      q.last() != k.last()) {
    op.fail(str("q ", q.shape(), ", k ", k.shape(), " and v ", v.shape(),
                " must be (batch, length, width) with one batch and width, k and v alike"));
  }
  const AttentionProblem p = problem_of(op, options, q.shape()[0], q.shape()[1], k.shape()[1], q.last(), random);
  Tensor out = Tensor::uninitialized(q.shape());
  const Storage lse = Storage::of<real>(p.batch * p.heads * p.queries);
  attention_forward(p, view(q), view(k), view(v), view(out.mutable_data(), out.shape()), lse.as<real>());
  return op.record(
      out, {&q, &k, &v},
      [p, q, k, v, out, lse](Backward& b) {
        // q, k and v may be one tensor: each gradient is computed in storage of its own and then added.
        const Storage dq = Storage::of<real>(q.size());
        const Storage dk = Storage::of<real>(k.size());
        const Storage dv = Storage::of<real>(v.size());
        attention_backward(p, view(q), view(k), view(v), view(out), lse.as<real>(), view(b.dy_tensor()),
                           view(dq.as<real>(), q.shape()), view(dk.as<real>(), k.shape()),
                           view(dv.as<real>(), v.shape()));
        if (b.wants(0)) b.give(0, dq);
        if (b.wants(1)) b.give(1, dk);
        if (b.wants(2)) b.give(2, dv);
      },
      cost_of(p));
}

Tensor attention_packed(const Tensor& qkv, const AttentionOptions& options, Random* random, Where where) {
  const Op op("attention_packed", where);
  op.need({&qkv});
  if (qkv.rank() != 3 || qkv.last() % 3 != 0) op.fail(str("qkv ", qkv.shape(), " must be (batch, length, 3·width)"));
  const int64_t width = qkv.last() / 3;
  const int64_t length = qkv.shape()[1];
  const AttentionProblem p = problem_of(op, options, qkv.shape()[0], length, length, width, random);
  Tensor out = Tensor::uninitialized(qkv.shape().with(-1, width));
  const Storage lse = Storage::of<real>(p.batch * p.heads * p.queries);
  attention_forward(p, view(qkv), view(qkv, width), view(qkv, 2 * width), view(out.mutable_data(), out.shape()),
                    lse.as<real>());
  return op.record(
      out, {&qkv},
      [p, qkv, out, lse, width](Backward& b) {
        const Storage dqkv = Storage::of<real>(qkv.size());
        real* d = dqkv.as<real>();
        attention_backward(p, view(qkv), view(qkv, width), view(qkv, 2 * width), view(out), lse.as<real>(),
                           view(b.dy_tensor()), view(d, qkv.shape()), view(d, qkv.shape(), width),
                           view(d, qkv.shape(), 2 * width));
        b.give(0, dqkv);
      },
      cost_of(p));
}

}  // namespace tape::inline TAPE_ABI
