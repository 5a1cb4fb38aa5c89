#include <tape/core/ops/attention_bias.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

namespace tape::inline TAPE_ABI {

double alibi_slope(int64_t head, int64_t heads) {
  const auto power = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  const double steps = head < power ? static_cast<double>(head + 1) / static_cast<double>(power)
                                    : static_cast<double>(2 * (head - power) + 1) / static_cast<double>(2 * power);
  return std::exp2(-8 * steps);
}

int64_t relative_bucket(int64_t position, bool bidirectional, int64_t buckets, int64_t max_distance) {
  const int64_t side = bidirectional ? buckets / 2 : buckets;
  const int64_t first = bidirectional && position > 0 ? side : 0;
  const int64_t distance = bidirectional ? std::abs(position) : std::max<int64_t>(-position, 0);
  const int64_t exact = side / 2;
  if (distance < exact) return first + distance;
  const auto nearest = static_cast<double>(exact);
  const double octave =
      std::log(static_cast<double>(distance) / nearest) / std::log(static_cast<double>(max_distance) / nearest);
  // Where the logarithm is a whole number of buckets, rounding must not fall below it.
  const auto step = static_cast<int64_t>(octave * static_cast<double>(side - exact) + 1e-9);
  return first + std::min(exact + step, side - 1);
}

// values[h, r] = -slope_h·|r| + table[bucket(r), h],  r = s - t
DistanceBias distance_bias(const AttentionOptions& options, int64_t keys, int64_t room) {
  DistanceBias bias;
  if (!options.alibi && !options.relative_bias) return bias;
  const int64_t distances = std::max<int64_t>(2 * keys - 1, 0);
  bias.values = Storage::of<real>(options.heads * 2 * room);
  real* values = bias.values.as<real>();
  for (int64_t h = 0; h < options.heads; ++h) {
    const double slope = options.alibi ? alibi_slope(h, options.heads) : 0;
    for (int64_t i = 0; i < distances; ++i) {
      values[h * distances + i] = static_cast<real>(-slope * static_cast<double>(std::abs(i - (keys - 1))));
    }
  }
  if (!options.relative_bias) return bias;
  bias.bucket_count = options.relative_bias.shape()[0];
  bias.buckets = Storage::of<int32_t>(2 * room);
  auto* buckets = bias.buckets.as<int32_t>();
  for (int64_t i = 0; i < distances; ++i) {
    buckets[i] =
        static_cast<int32_t>(relative_bucket(i - (keys - 1), !options.causal, bias.bucket_count, options.max_distance));
    const real* row = options.relative_bias.data() + buckets[i] * options.heads;
    for (int64_t h = 0; h < options.heads; ++h) values[h * distances + i] += row[h];
  }
  return bias;
}

}  // namespace tape::inline TAPE_ABI
