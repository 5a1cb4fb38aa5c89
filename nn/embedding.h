// Embedding: a trainable row for each token.
#pragma once

#include <tape/core/ops/embedding.h>
#include <tape/nn/init.h>

namespace tape::inline TAPE_ABI::nn {

struct Embedding {
  Parameter weight;  ///< (rows, width)

  Embedding(int64_t rows, int64_t width, const Init& init = normal_init(), bool decay = true)
      : weight({rows, width}, init, decay) {}

  /// ids (…) → (…, width).
  Tensor operator()(const Ids& ids, Where where = Where::here()) const { return embedding(weight, ids, where); }
  void visit(auto&& v) const { v("weight", weight); }
};

}  // namespace tape::inline TAPE_ABI::nn
