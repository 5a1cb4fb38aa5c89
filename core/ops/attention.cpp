#include <tape/core/ops/attention.h>

#include <algorithm>
#include <cmath>

#include <tape/core/ops/attention_kernel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// What each of H query heads has of keys and values: KV, checked.
int64_t kv_heads_of(const Op& op, const AttentionOptions& options) {
  const int64_t kv_heads = options.kv_heads == 0 ? options.heads : options.kv_heads;
  if (kv_heads < 1 || options.heads % kv_heads != 0) {
    op.fail(str("the number of heads, ", options.heads, ", must be a positive multiple of kv_heads, ", kv_heads));
  }
  return kv_heads;
}

void check_segments(const Op& op, const AttentionOptions& options, AttentionProblem& p) {
  if (!options.segments && options.key_segments) op.fail("key_segments need segments of the queries beside them");
  if (!options.segments) return;
  p.segments = options.segments;
  p.key_segments = options.key_segments ? options.key_segments : options.segments;
  if (p.segments.shape() != Shape{p.batch, p.queries}) {
    op.fail(str("segments ", p.segments.shape(), " must be ", Shape{p.batch, p.queries}, ", one for each query"));
  }
  if (p.key_segments.shape() != Shape{p.batch, p.keys}) {
    op.fail(str(options.key_segments ? "key_segments " : "segments without key_segments ", p.key_segments.shape(),
                " must be ", Shape{p.batch, p.keys}, ", one for each key"));
  }
}

void check_distances(const Op& op, const AttentionOptions& options, const AttentionProblem& p) {
  if (options.window < 0) op.fail(str("window must not be negative, it is ", options.window));
  const bool counts = options.window > 0 || options.alibi || options.relative_bias;
  if (counts && !options.causal && p.queries != p.keys) {
    op.fail(str("window, alibi and relative_bias count distances: without causal the ", p.queries, " queries and ",
                p.keys, " keys must be of one sequence"));
  }
  if (!options.relative_bias) return;
  const Shape& table = options.relative_bias.shape();
  const int64_t sides = options.causal ? 1 : 2;
  if (table.rank() != 2 || table[1] != options.heads || table[0] < 2 * sides || table[0] % sides != 0) {
    op.fail(str("relative_bias ", table, " must be (buckets, ", options.heads, "), ",
                options.causal ? "with 2 buckets or more" : "with an even number of 4 buckets or more"));
  }
  if (options.max_distance <= table[0] / sides / 2) {
    op.fail(str("max_distance ", options.max_distance, " must be above ", table[0] / sides / 2,
                ", the distances with a bucket each of relative_bias ", table));
  }
}

// Checks the options against the sizes, of which `rows` is that of k and v, and draws the dropout mask's address.
AttentionProblem problem_of(const Op& op, const AttentionOptions& options, int64_t batch, int64_t queries, int64_t rows,
                            int64_t width, Random* random) {
  if (options.keys < 0 || options.keys > rows) {
    op.fail(str("keys must be at least 0 (all) and at most ", rows, ", the length of k and v, it is ", options.keys));
  }
  const int64_t keys = options.keys > 0 ? options.keys : rows;
  if (options.heads < 1 || width % options.heads != 0) {
    op.fail(str("width ", width, " must be a multiple of the number of heads, ", options.heads));
  }
  AttentionProblem p{.batch = batch,
                     .heads = options.heads,
                     .kv_heads = kv_heads_of(op, options),
                     .queries = queries,
                     .keys = keys,
                     .head_size = width / options.heads,
                     .room = rows,
                     .causal = options.causal,
                     .window = std::min(options.window, queries + keys),  // more is no limit either
                     .softcap = static_cast<real>(options.softcap),
                     .mask = options.mask,
                     .key_lengths = options.key_lengths,
                     .dropout = options.dropout,
                     .precision = options.precision};
  p.scale = static_cast<real>(options.scale.value_or(1 / std::sqrt(static_cast<double>(p.head_size))));
  if (p.mask && p.mask.shape() != Shape{queries, keys} && p.mask.shape() != Shape{batch, queries, keys}) {
    op.fail(str("mask ", p.mask.shape(), " must be ", Shape{queries, keys}, " or ", Shape{batch, queries, keys}));
  }
  if (p.key_lengths && p.key_lengths.shape() != Shape{batch}) {
    op.fail(str("key_lengths ", p.key_lengths.shape(), " must be ", Shape{batch}, ", one for each sequence"));
  }
  if (!(options.softcap >= 0)) op.fail(str("softcap must not be negative, it is ", options.softcap));
  check_segments(op, options, p);
  check_distances(op, options, p);
  if (!(p.dropout >= 0 && p.dropout < 1)) op.fail(str("dropout must be at least 0 and below 1, it is ", p.dropout));
  if (p.dropout > 0) {
    if (!random) op.fail("dropout needs random numbers: pass random");
    p.draw = random->next();
  }
  p.bias = distance_bias(options, keys, rows);
  return p;
}

// Where forward puts the largest scores, if they are asked for.
real* room_for_tops(const AttentionOptions& options, const AttentionProblem& p) {
  if (!options.top_scores) return nullptr;
  *options.top_scores = Tensor::uninitialized({p.batch, p.heads, p.queries});
  return options.top_scores->mutable_data();
}

// Room for what forward saves of softmax, and where it is.
Storage softmax_room(const AttentionProblem& p) {
  return Storage::of<real>(2 * p.batch * p.heads * p.queries);
}
SoftmaxRows softmax_rows(const AttentionProblem& p, const Storage& room) {
  return {.shift = room.as<real>(), .factor = room.as<real>() + p.batch * p.heads * p.queries};
}

HeadsView<const real> view(const Tensor& x, int64_t offset = 0) {
  return {x.data() + offset, x.last(), x.shape()[1] * x.last()};
}
HeadsView<real> view(real* data, const Shape& shape, int64_t offset = 0) {
  return {data + offset, shape[2], shape[1] * shape[2]};
}

// Room for the gradient of k or v: zeros for what is no key.
Storage key_gradient(const AttentionProblem& p, const Tensor& k) {
  const Storage gradient = Storage::of<real>(k.size());
  if (p.keys < p.room) std::fill_n(gradient.as<real>(), k.size(), real{0});
  return gradient;
}

Cost cost_of(const AttentionProblem& p) {
  const double all = static_cast<double>(p.keys) * (p.causal ? 0.5 : 1);
  const double window = static_cast<double>(p.window) * (p.causal ? 1 : 2);
  const double pairs =
      static_cast<double>(p.batch * p.heads * p.queries) * (p.window > 0 ? std::min(all, window) : all);
  return {.flops = 4 * pairs * static_cast<double>(p.head_size)};
}

// Room for the shares of the heads in the gradient of the table of relative biases, if that is input `input`.
Storage bias_shares(const AttentionProblem& p, const Backward& b, int input) {
  return b.wants(input) ? Storage::of<real>(p.batch * p.heads * p.bias.bucket_count) : Storage();
}
void give_bias(const AttentionProblem& p, Backward& b, int input, const Storage& shares) {
  if (!shares) return;
  const GradView dtable = b.grad(input);
  for (int64_t bucket = 0; bucket < p.bias.bucket_count; ++bucket) {
    for (int64_t h = 0; h < p.heads; ++h) {
      real sum = 0;
      for (int64_t n = 0; n < p.batch; ++n) {
        sum += shares.as<real>()[(n * p.heads + h) * p.bias.bucket_count + bucket];
      }
      dtable.put(bucket * p.heads + h, sum);
    }
  }
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options, Random* random,
                 Where where) {
  const Op op("attention", where);
  op.need({&q, &k, &v});
  const int64_t kv_heads = kv_heads_of(op, options);
  if (q.rank() != 3 || k.rank() != 3 || k.shape() != v.shape() || q.shape()[0] != k.shape()[0] ||
      q.last() * kv_heads != k.last() * options.heads) {
    op.fail(str("q ", q.shape(), ", k ", k.shape(), " and v ", v.shape(),
                " must be (batch, length, width) with one batch and width, k and v alike",
                kv_heads == options.heads ? "" : str(", of ", kv_heads, " heads where q has ", options.heads)));
  }
  const AttentionProblem p = problem_of(op, options, q.shape()[0], q.shape()[1], k.shape()[1], q.last(), random);
  Tensor out = Tensor::uninitialized(q.shape());
  const Storage softmax = softmax_room(p);
  attention_forward(p, view(q), view(k), view(v), view(out.mutable_data(), out.shape()), softmax_rows(p, softmax),
                    room_for_tops(options, p));
  return op.record(
      out, {&q, &k, &v, &options.relative_bias},
      [p, q, k, v, softmax](Backward& b) {
        // q, k and v may be one tensor: each gradient is computed in storage of its own and then added.
        const Storage dq = Storage::of<real>(q.size());
        const Storage dk = key_gradient(p, k);
        const Storage dv = key_gradient(p, v);
        const Storage dbias = bias_shares(p, b, 3);
        attention_backward(p, view(q), view(k), view(v), softmax_rows(p, softmax), view(b.dy_tensor()),
                           {.q = view(dq.as<real>(), q.shape()),
                            .k = view(dk.as<real>(), k.shape()),
                            .v = view(dv.as<real>(), v.shape()),
                            .bias = dbias.as<real>()});
        if (b.wants(0)) b.give(0, dq);
        if (b.wants(1)) b.give(1, dk);
        if (b.wants(2)) b.give(2, dv);
        give_bias(p, b, 3, dbias);
      },
      cost_of(p));
}

Tensor attention_packed(const Tensor& qkv, const AttentionOptions& options, Random* random, Where where) {
  const Op op("attention_packed", where);
  op.need({&qkv});
  const int64_t kv_heads = kv_heads_of(op, options);
  const int64_t group = options.heads / kv_heads;  // the width of q in widths of k
  if (qkv.rank() != 3 || qkv.last() % (group + 2) != 0) {
    op.fail(str("qkv ", qkv.shape(), " must be (batch, length, ",
                group == 1 ? "3·width" : str("(", options.heads, " + 2·", kv_heads, ")·head size"), ")"));
  }
  const int64_t kv_width = qkv.last() / (group + 2);
  const int64_t width = group * kv_width;
  const int64_t length = qkv.shape()[1];
  op.require(options.keys == 0, "keys is for attention(): here there are as many as queries");
  const AttentionProblem p = problem_of(op, options, qkv.shape()[0], length, length, width, random);
  Tensor out = Tensor::uninitialized(qkv.shape().with(-1, width));
  const Storage softmax = softmax_room(p);
  attention_forward(p, view(qkv), view(qkv, width), view(qkv, width + kv_width), view(out.mutable_data(), out.shape()),
                    softmax_rows(p, softmax), room_for_tops(options, p));
  return op.record(
      out, {&qkv, &options.relative_bias},
      [p, qkv, softmax, width, kv_width](Backward& b) {
        const Storage dqkv = Storage::of<real>(qkv.size());
        const Storage dbias = bias_shares(p, b, 1);
        real* d = dqkv.as<real>();
        attention_backward(p, view(qkv), view(qkv, width), view(qkv, width + kv_width), softmax_rows(p, softmax),
                           view(b.dy_tensor()),
                           {.q = view(d, qkv.shape()),
                            .k = view(d, qkv.shape(), width),
                            .v = view(d, qkv.shape(), width + kv_width),
                            .bias = dbias.as<real>()});
        if (b.wants(0)) b.give(0, dqkv);
        give_bias(p, b, 1, dbias);
      },
      cost_of(p));
}

}  // namespace tape::inline TAPE_ABI
