#include <tape/nn/input_embedding.h>

#include <cmath>

#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/linear.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/probe.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

// x (B, T, C) + rows (T, C) on each sequence.
Tensor add_rows(const Tensor& x, const Tensor& rows, Where where) {
  const Tensor flat = add_bias(reshape(x, {x.shape()[0], -1}, where), reshape(rows, {rows.size()}, where), where);
  return reshape(flat, x.shape(), where);
}

}  // namespace

InputEmbedding::InputEmbedding(const ModelConfig& c, const Depth& depth)
    : context_(c.context),
      // Sinusoidal tables have entries of size 1, so embeddings are scaled up to them (Vaswani et al. 2017,
      // section 3.4).
      scale_(c.positions == Positions::Sinusoidal ? std::sqrt(static_cast<double>(c.width)) : 1),
      dropout_(c.dropout),
      tokens_(c.vocab, c.width, embedding_init(c.scheme, depth, c.width)) {
  if (c.positions == Positions::Learned) {
    positions_.emplace(c.context, c.width, embedding_init(c.scheme, depth, c.width));
  } else if (c.positions == Positions::Sinusoidal) {
    table_ = sinusoidal_table(c.context, c.width);
  }
}

Tensor InputEmbedding::operator()(const Ids& ids, const char* model, const Context& context, Where where) const {
  if (ids.shape().rank() != 2 || ids.shape()[1] < 1 || ids.shape()[1] > context_) {
    throw Error(str(model, ": ids ", ids.shape(), " must be (batch, length) with a length of 1 to ", context_,
                    ", the model's context"),
                where);
  }
  const int64_t first = context.first_position();
  if (first + ids.shape()[1] > context_) {
    throw Error(str(model, ": ids ", ids.shape(), " after ", first,
                    " positions in the cache exceed the model's context of ", context_),
                where);
  }
  Tensor x = tap("", "hook_embed", tokens_(ids, where), where);
  if (scale_ != 1) x = scale(x, scale_, where);
  if (positions_ || table_) {
    const Tensor table = positions_ ? positions_->weight.value() : table_;
    x = add_rows(x, tap("", "hook_pos_embed", slice(table, 0, first, first + ids.shape()[1], where), where), where);
  }
  return dropout(x, dropout_, context, where);
}

Tensor InputEmbedding::scores(const Tensor& features, Where where) const {
  return linear(features, tokens_.weight, {}, where);
}

}  // namespace tape::inline TAPE_ABI::nn
