#include <tape/nn/feed_forward.h>

namespace tape::inline TAPE_ABI::nn {

FeedForward::FeedForward(const FeedForwardConfig& config, const WeightInit& init) : dropout_p(config.dropout) {
  if (config.mixture.experts == 0) {
    dense.emplace(config, init);
  } else {
    mixture.emplace(config, init);
  }
}

Tensor FeedForward::operator()(const Tensor& x, const Context& context, Where where) const {
  return dropout(dense ? (*dense)(x, where) : (*mixture)(x, context, where), dropout_p, context, where);
}

}  // namespace tape::inline TAPE_ABI::nn
