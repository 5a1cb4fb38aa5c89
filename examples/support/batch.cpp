#include <tape/examples/support/batch.h>

#include <algorithm>
#include <numeric>

#include <tape/core/shards.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

int64_t count(const Ids& ids, const Ids& lengths) {
  if (!ids || !lengths) return ids ? ids.size() : 0;
  return std::accumulate(lengths.values().begin(), lengths.values().end(), int64_t{0});
}

// Entries begin … end - 1 of the first axis; unset stays unset.
Ids part_of(const Ids& ids, int64_t begin, int64_t end) {
  if (!ids) return ids;
  const int64_t entry = ids.size() / ids.shape()[0];
  const Shape shape = ids.shape().rank() == 1 ? Shape{end - begin} : Shape{end - begin, entry};
  return Ids::from(shape, ids.values().subspan(static_cast<std::size_t>(begin * entry),
                                               static_cast<std::size_t>((end - begin) * entry)));
}

}  // namespace

int64_t count_tokens(const Batch& batch) {
  return count(batch.input, batch.lengths) + count(batch.source, batch.source_lengths);
}

Batch shard_of(const Batch& batch, int shard) {
  const int64_t sequences = batch.input.shape()[0];
  const int64_t begin = sequences * shard / Shards::count;
  const int64_t end = sequences * (shard + 1) / Shards::count;
  return {.input = part_of(batch.input, begin, end),
          .target = part_of(batch.target, begin, end),
          .lengths = part_of(batch.lengths, begin, end),
          .source = part_of(batch.source, begin, end),
          .source_lengths = part_of(batch.source_lengths, begin, end)};
}

std::vector<int64_t> drawn_rows(Seed seed, int64_t index, int64_t size, int64_t n) {
  const Draw draw = Random::named(seed, "batches").at(static_cast<uint64_t>(index));
  std::vector<int64_t> rows(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = draw.below(i, n);
  return rows;
}

std::vector<int64_t> spaced_rows(int64_t n, int64_t most) {
  const int64_t count = std::min(n, most);
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < count; ++i) rows.push_back(i * n / count);
  return rows;
}

}  // namespace tape::inline TAPE_ABI::tool
