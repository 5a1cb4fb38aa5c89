#include <tape/examples/lab/results.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <tape/core/random.h>

namespace tape::inline TAPE_ABI::lab {

Estimate estimate(const std::vector<double>& numbers) {
  Estimate e;
  double sum = 0;
  for (const double x : numbers) {
    if (!std::isfinite(x)) {
      ++e.not_finite;
      continue;
    }
    sum += x;
    ++e.count;
  }
  if (e.count == 0) return e;
  e.mean = sum / static_cast<double>(e.count);
  double squares = 0;
  for (const double x : numbers) squares += std::isfinite(x) ? (x - e.mean) * (x - e.mean) : 0;
  if (e.count > 1) e.sd = std::sqrt(squares / static_cast<double>(e.count - 1));
  return e;
}

std::string to_string(const Estimate& e) {
  if (e.count == 0) return "-";
  // Two digits of the spread, at least three of the number.
  const double size = std::fabs(e.mean);
  const int of_mean = size > 0 ? 2 - static_cast<int>(std::floor(std::log10(size))) : 2;
  const int of_spread = e.sd > 0 ? 1 - static_cast<int>(std::floor(std::log10(e.sd))) : of_mean;
  const int decimals = std::max(of_mean, std::min(of_spread, of_mean + 1));
  if (decimals > 6 || size >= 1e5) return fmt::format("{:.2e} ± {:.1e}", e.mean, e.sd);
  const int shown = std::clamp(decimals, 0, 6);
  return e.count == 1 ? fmt::format("{:.{}f}", e.mean, shown)
                      : fmt::format("{:.{}f} ± {:.{}f}", e.mean, shown, e.sd, shown);
}

Interval bootstrap(const std::vector<double>& numbers) {
  constexpr std::size_t samples = 10'000;
  const std::size_t n = numbers.size();
  if (n < 3 || estimate(numbers).not_finite > 0) return {};
  const Draw draw = Random::named(Seed{1}, "bootstrap").next();
  std::vector<double> means(samples);
  for (std::size_t s = 0; s < samples; ++s) {
    for (std::size_t i = 0; i < n; ++i)
      means[s] += numbers[static_cast<std::size_t>(draw.below(s * n + i, static_cast<int64_t>(n)))];
    means[s] /= static_cast<double>(n);
  }
  std::ranges::sort(means);
  return {means[samples / 40], means[samples - 1 - samples / 40]};
}

std::string with_interval(const std::vector<double>& numbers) {
  if (estimate(numbers).count == 0) return "-";
  const Interval interval = bootstrap(numbers);
  if (std::isnan(interval.low)) return to_string(estimate(numbers));
  return fmt::format("{:.3f} ({:.3f} … {:.3f})", estimate(numbers).mean, interval.low, interval.high);
}

double log_slope(const std::vector<double>& x, const std::vector<double>& y) {
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    if (!(x[i] > 0) || !(y[i] > 0) || !std::isfinite(y[i])) continue;
    const double u = std::log(x[i]);
    const double v = std::log(y[i]);
    n += 1, sx += u, sy += v, sxx += u * u, sxy += u * v;
  }
  const double spread = n * sxx - sx * sx;
  return n > 1 && spread > 0 ? (n * sxy - sx * sy) / spread : std::numeric_limits<double>::quiet_NaN();
}

Results Results::where(const Fields& part) const {
  return where([&](const Row& row) { return row.cell.contains(part); });
}

Results Results::where(const std::function<bool(const Row&)>& keep) const {
  std::vector<Row> kept;
  for (const Row& row : rows_) {
    if (keep(row)) kept.push_back(row);
  }
  return Results(std::move(kept));
}

std::vector<double> Results::numbers(std::string_view field) const {
  std::vector<double> all;
  for (const Row& row : rows_) {
    if (row.cell.has(field)) all.push_back(row.cell.number(field));
  }
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::vector<std::string> Results::texts(std::string_view field) const {
  std::vector<std::string> all;
  for (const Row& row : rows_) {
    if (row.cell.has(field) && std::ranges::find(all, row.cell.text(field)) == all.end())
      all.push_back(row.cell.text(field));
  }
  return all;
}

std::vector<double> Results::values(std::string_view key) const {
  std::vector<double> all;
  for (const Row& row : rows_) all.push_back(row.result.number(key));
  return all;
}

Estimate Results::of(std::string_view key, std::size_t index) const {
  std::vector<double> all;
  for (const Row& row : rows_) {
    const std::vector<double>& list = row.result.list(key);
    if (index < list.size()) all.push_back(list[index]);
  }
  return estimate(all);
}

Estimate Results::each(const std::function<double(const Row&)>& f) const {
  std::vector<double> all;
  for (const Row& row : rows_) all.push_back(f(row));
  return estimate(all);
}

std::vector<double> Results::by_seed(const std::function<double(const Results&)>& f) const {
  std::vector<double> all;
  for (const double seed : numbers("seed")) all.push_back(f(where(Fields{{"seed", seed}})));
  return all;
}

}  // namespace tape::inline TAPE_ABI::lab
