#include <tape/nn/key_value_cache.h>

#include <algorithm>

#include <tape/core/error.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

// Copies the first `count` rows of each sequence of `from` (B, …, C) to the rows from `at` on of `to` (B, …, C).
void copy_rows(const Tensor& from, int64_t count, Tensor& to, int64_t at) {
  const int64_t width = from.last();
  for (int64_t b = 0; b < from.shape()[0]; ++b) {
    std::copy_n(from.data() + b * from.shape()[1] * width, count * width,
                to.mutable_data() + (b * to.shape()[1] + at) * width);
  }
}

void put(Tensor& all, const Tensor& rows, int64_t length, int64_t room) {
  if (!all || all.shape()[1] < room) {
    Tensor larger = Tensor::uninitialized(rows.shape().with(1, room));
    if (all) copy_rows(all, length, larger, 0);
    all = larger;
  }
  copy_rows(rows, rows.shape()[1], all, length);
}

}  // namespace

const KeyValueCache::Entry& KeyValueCache::extend(const std::string& name, const Tensor& keys, const Tensor& values,
                                                  Where where) {
  if (Tape::current()) {
    throw Error("key-value cache: keys that it remembers have no gradients: use it without a tape, or under NoRecord",
                where);
  }
  Entry& entry = entries_[name];
  if (entry.keys && entry.keys.shape()[0] != keys.shape()[0]) {
    throw Error(str("key-value cache: it holds a batch of ", entry.keys.shape()[0], ", this pass has ", keys.shape()[0],
                    ": clear() it for another text"),
                where);
  }
  const int64_t needed = length_ + keys.shape()[1];
  int64_t room = entry.keys ? entry.keys.shape()[1] : std::max(positions_, std::max<int64_t>(needed, 64));
  while (room < needed) room *= 2;
  put(entry.keys, keys, length_, room);
  put(entry.values, values, length_, room);
  return entry;
}

void KeyValueCache::clear() {
  for (auto& [name, entry] : entries_) entry = {};
  length_ = 0;
}

}  // namespace tape::inline TAPE_ABI::nn
