// Results: the rows that an experiment has measured, and the few questions that its figures and verdicts ask of them.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <tape/examples/lab/fields.h>

namespace tape::inline TAPE_ABI::lab {

using Cell = Fields;  ///< the exact configuration of one measurement, its seed included

struct Row {
  Cell cell;
  Fields result;
};

/// Mean and sample standard deviation of numbers, of those that are finite; the others are counted.
struct Estimate {
  double mean = std::numeric_limits<double>::quiet_NaN();  ///< NaN without a finite number
  double sd = 0;                                           ///< 0 for a single one
  int64_t count = 0;
  int64_t not_finite = 0;
};
Estimate estimate(const std::vector<double>& numbers);
/// "1.60 ± 0.03", with the digits that the spread leaves meaning to; "-" without a number.
std::string to_string(const Estimate& estimate);

/// A range that holds a mean with 95 % confidence.
struct Interval {
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};
/// The percentile bootstrap of the mean: between 2.5 % and 97.5 % of the means of 10,000 samples drawn from these
/// numbers with replacement. The draws are fixed: the same numbers give the same interval. NaN when one of them is not
/// finite, and for fewer than three. Efron 1979. With few numbers it is narrower than it should be.
Interval bootstrap(const std::vector<double>& numbers);
/// "1.600 (1.420 … 1.710)": the mean with this interval, or as to_string where there is none.
std::string with_interval(const std::vector<double>& numbers);

/// The slope of a straight line through (log x, log y) by least squares; NaN when fewer than two points are positive.
double log_slope(const std::vector<double>& x, const std::vector<double>& y);

class Results {
 public:
  Results() = default;
  explicit Results(std::vector<Row> rows) : rows_(std::move(rows)) {}

  const std::vector<Row>& rows() const& { return rows_; }
  std::vector<Row> rows() && { return std::move(rows_); }  // so that a loop over where(…).rows() keeps them
  bool empty() const { return rows_.empty(); }
  /// The rows whose cells have all these values.
  Results where(const Fields& part) const;
  /// The rows for which `keep` holds.
  Results where(const std::function<bool(const Row&)>& keep) const;

  /// The different values of a cell's field, numbers ascending, texts in the order of the rows.
  std::vector<double> numbers(std::string_view field) const;
  std::vector<std::string> texts(std::string_view field) const;

  /// A measured number of every row.
  std::vector<double> values(std::string_view key) const;
  Estimate of(std::string_view key) const { return estimate(values(key)); }
  /// Element `index` of a measured list of every row, or of those rows that have so many.
  Estimate of(std::string_view key, std::size_t index) const;
  /// The mean over all rows of a measured number, NaN without rows.
  double mean(std::string_view key) const { return of(key).mean; }

  /// f for each row, as an estimate over the rows.
  Estimate each(const std::function<double(const Row&)>& f) const;
  /// f for the rows of each seed, as an estimate over the seeds. What f gives as NaN counts as not finite.
  Estimate over_seeds(const std::function<double(const Results&)>& f) const { return estimate(by_seed(f)); }
  /// f for the rows of each seed, seeds ascending.
  std::vector<double> by_seed(const std::function<double(const Results&)>& f) const;

 private:
  std::vector<Row> rows_;
};

}  // namespace tape::inline TAPE_ABI::lab
