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

}  // namespace

int64_t count_tokens(const Batch& batch) {
  return count(batch.input, batch.lengths) + count(batch.source, batch.source_lengths);
}

Batch shard_of(const Batch& batch, int shard) {
  const auto [begin, end] = Shards::part_of(batch.input.shape()[0], shard);
  const auto part = [begin = begin, end = end](const Ids& ids) { return ids ? ids.rows(begin, end) : ids; };
  return {.input = part(batch.input),
          .target = part(batch.target),
          .lengths = part(batch.lengths),
          .source = part(batch.source),
          .source_lengths = part(batch.source_lengths)};
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
