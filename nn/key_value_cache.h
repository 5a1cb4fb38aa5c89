// KeyValueCache: the keys and values of the positions that a model has read, so that the next one costs one position
// and not the whole text:
//
//   nn::KeyValueCache cache;
//   const nn::Context context = nn::evaluation().remembering(cache);
//   Tensor logits = gpt(prompt, context);          // (1, T): reads the prompt
//   logits = gpt(next, context);                   // (1, 1): reads one token more
//
// It is for causal stacks: a decoder's cross attention keeps those of its source, which do not change. One cache
// belongs to one text, or one batch of texts of the same length, and to one model. A token more writes its keys and
// values into room that is there already: it takes no memory.
#pragma once

#include <map>
#include <string>

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI::nn {

class KeyValueCache {
 public:
  /// R ≥ S rows, of which those from S on are room for more positions.
  struct Entry {
    Tensor keys;    ///< (B, R, KV·D), after norms and rotary positions
    Tensor values;  ///< (B, R, KV·D)
  };

  /// With room for `positions` from the start; a text that outgrows its room gets twice as much.
  explicit KeyValueCache(int64_t positions = 0) : positions_(positions) {}

  /// S: positions that were read before the current pass.
  int64_t length() const { return length_; }
  /// The entry of the attention with this name with keys and values (B, T, KV·D) of the current pass as positions S to
  /// S + T - 1. Throws Error for another batch size than before, and while a tape records: they have no gradients.
  const Entry& extend(const std::string& name, const Tensor& keys, const Tensor& values, Where where = Where::here());
  /// An entry that a pass fills once: empty at first.
  Entry& entry(const std::string& name) { return entries_[name]; }
  /// Ends a pass over `positions` positions; a stack calls it.
  void advance(int64_t positions) { length_ += positions; }
  /// Forgets everything, for another text.
  void clear();

 private:
  std::map<std::string, Entry> entries_;
  int64_t positions_;
  int64_t length_ = 0;
};

}  // namespace tape::inline TAPE_ABI::nn
