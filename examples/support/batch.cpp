#include <tape/examples/support/batch.h>

#include <numeric>

namespace tape::inline TAPE_ABI::tool {

namespace {

int64_t count(const Ids& ids, const Ids& lengths) {
  if (!ids || !lengths) return ids ? ids.size() : 0;
  return std::accumulate(lengths.values().begin(), lengths.values().end(), int64_t{0});
}

}  // namespace

int64_t count_tokens(const Batch& batch) {
  return count(batch.input, batch.lengths) + count(batch.source, batch.source_lengths);
}

}  // namespace tape::inline TAPE_ABI::tool
