// Stack: blocks one after the other, with the norms that a scheme asks for before the first and after the last one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tape/nn/block.h>

namespace tape::inline TAPE_ABI::nn {

class Stack {
 public:
  /// `prefix` begins the names of its taps: "" for "blocks.0.hook_resid_pre", "decoder." for "decoder.blocks.0…".
  Stack(const ModelConfig& config, const Depth& depth, const std::string& prefix = "");

  /// Features (B, T, C) of an embedding x (B, T, C). With ModelConfig::recompute blocks keep nothing for backward.
  Tensor operator()(const Tensor& x, const AttentionMask& mask, const Memory& memory, const Context& context,
                    Where where = Where::here()) const;
  void visit(auto&& v) const {
    v("embedding_norm", embedding_norm_);
    v("relative_bias", relative_bias_);
    v("blocks", blocks_);
    v("final_norm", final_norm_);
  }

 private:
  Stream run(const Block& block, const Stream& in, const AttentionMask& mask, const Memory& memory,
             const Context& context, Where where) const;

  std::string embedding_name_, final_name_;  // of the taps of both norms
  bool recompute_;
  bool second_stream_;
  std::optional<Norm> embedding_norm_;
  Parameter relative_bias_;  // (buckets, H), relative positions only: shared by all blocks, as in T5
  std::vector<Block> blocks_;
  std::optional<Norm> final_norm_;
};

}  // namespace tape::inline TAPE_ABI::nn
