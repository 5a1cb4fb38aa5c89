#include <tape/nn/feed_forward.h>

#include <tape/core/ops/elementwise.h>

namespace tape::inline TAPE_ABI::nn {

FeedForward::FeedForward(const FeedForwardConfig& config, const WeightInit& init) : dropout_p(config.dropout) {
  if (config.mixture.experts == 0) {
    dense.emplace(config, init);
  } else {
    mixture.emplace(config, init);
  }
}

Tensor FeedForward::added(const Tensor& residual, const Tensor& x, const Context& context, Where where) const {
  if (dense && !context.drops(dropout_p)) return dense->added(residual, x, where);
  const Tensor y = dropout(dense ? (*dense)(x, where) : (*mixture)(x, context, where), dropout_p, context, where);
  return residual ? add(residual, y, where) : y;
}

}  // namespace tape::inline TAPE_ABI::nn
