#include <tape/nn/key_value_cache.h>

#include <tape/core/error.h>
#include <tape/core/ops/shape_ops.h>

namespace tape::inline TAPE_ABI::nn {

const KeyValueCache::Entry& KeyValueCache::extend(const std::string& name, const Tensor& keys, const Tensor& values,
                                                  Where where) {
  Entry& entry = entries_[name];
  if (!entry.keys) {
    entry = {keys, values};
    return entry;
  }
  if (entry.keys.shape()[0] != keys.shape()[0]) {
    throw Error(str("key-value cache: it holds a batch of ", entry.keys.shape()[0], ", this pass has ", keys.shape()[0],
                    ": clear() it for another text"),
                where);
  }
  entry = {concatenate({entry.keys, keys}, 1, where), concatenate({entry.values, values}, 1, where)};
  return entry;
}

void KeyValueCache::clear() {
  entries_.clear();
  length_ = 0;
}

}  // namespace tape::inline TAPE_ABI::nn
