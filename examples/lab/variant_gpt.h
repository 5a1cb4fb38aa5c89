// A GPT whose residual steps can have gains that no scheme of the library has: for constants that a paper, an article
// or another program gets differently.
#pragma once

#include <cstdint>
#include <vector>

#include <tape/nn/block.h>
#include <tape/nn/input_embedding.h>
#include <tape/nn/linear.h>
#include <tape/nn/module.h>

namespace tape::inline TAPE_ABI::lab {

/// norm(skip·x + branch·f(x)), with β on value, attention output and feed-forward weights, and with all_weights on
/// those of queries and keys as well.
struct Gains {
  double skip = 1;
  double branch = 1;
  double beta = 1;
  bool all_weights = false;
};

class VariantGPT {
 public:
  /// A Post-LN model of this configuration (its scheme is not used) with other gains; weights Xavier normal times β,
  /// embeddings of unit variance.
  VariantGPT(nn::ModelConfig config, const Gains& gains, Seed seed);

  /// ids (B, T) → scores (B, T, V).
  Tensor operator()(const Ids& ids, const nn::Context& context) const;
  void visit(auto&& v) const {
    embedding_.visit(v);
    v("blocks", blocks_);
    v("head", head_);
  }

 private:
  nn::InputEmbedding embedding_;
  std::vector<nn::Block> blocks_;
  nn::Linear head_;
};

}  // namespace tape::inline TAPE_ABI::lab
