#include <tape/optim/adafactor.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/optim/norms.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

enum Average : std::size_t { row_average, column_average, square_average, update_average };

// Rows that make about a chunk of elements.
int64_t grain_of(int64_t columns) {
  return std::max<int64_t>(1, elementwise_grain / std::max<int64_t>(1, columns));
}

}  // namespace

// u_ij = g_ij·row_i·column_j. What is not a matrix has one row of as many columns as elements.
struct Adafactor::Scale {
  int64_t rows, columns;
  Storage row, column;
};

Adafactor::Adafactor(ParameterList list, const AdafactorOptions& options)
    : Optimizer("adafactor", std::move(list), {.averages = {"row", "column", "v", "m"}},
                {options.weight_decay, options.decay, options.groups}),
      options_(options),
      rates_(parameters().size()) {
  const auto require_positive = [this](const char* name, double value) {
    require_option(value >= static_cast<double>(std::numeric_limits<real>::min()) && std::isfinite(value), name,
                   "a finite number above 1e-37", value);
  };
  require_option(options.decay_exponent > 0 && options.decay_exponent <= 1, "decay_exponent", "above 0 and at most 1",
                 options.decay_exponent);
  require_positive("clip", options.clip);
  require_positive("eps1", options.eps1);
  require_positive("eps2", options.eps2);
  require_option(options.beta1 >= 0 && options.beta1 < 1, "beta1", "at least 0 and below 1", options.beta1);
}

std::optional<Shape> Adafactor::average_shape(std::size_t parameter, std::size_t which) const {
  const Shape& shape = leaf(parameter).shape;
  if (which == update_average) return options_.beta1 > 0 ? std::optional(shape) : std::nullopt;
  if (!is_matrix(parameter)) return which == square_average ? std::optional(shape) : std::nullopt;
  if (which == row_average) return Shape{shape.rows()};
  if (which == column_average) return Shape{shape.last()};
  return std::nullopt;
}

void Adafactor::prepare(std::size_t parameter, double rate) {
  const auto t = static_cast<double>(updates(parameter));
  rates_[parameter] = options_.relative_step ? rate * std::min(1e-2, 1 / std::sqrt(t)) : rate;
}

void Adafactor::update_whole(std::size_t parameter) {
  const Scale scale = is_matrix(parameter) ? factored(parameter) : elementwise(parameter);
  const auto n = static_cast<double>(leaf(parameter).size());
  const real* g = leaf(parameter).gradient_data();
  const double squares = parallel_sum(scale.rows, grain_of(scale.columns), [&](int64_t begin, int64_t end) {
    const real* column = scale.column.as<real>();
    double sum = 0;
    for (int64_t r = begin; r < end; ++r) {
      const real row = scale.row.as<real>()[r];
      const real* gr = g + r * scale.columns;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < scale.columns; ++c) {
        const auto u = static_cast<double>(gr[c] * row * column[c]);
        sum += u * u;
      }
    }
    return sum;
  });
  const double clipped = 1 / std::max(1.0, std::sqrt(squares / n) / options_.clip);
  double step = rates_[parameter];
  if (options_.scale_parameter) {
    step *= std::max(options_.eps2, std::sqrt(sum_of_squares(leaf(parameter).data(), leaf(parameter).size()) / n));
  }
  apply(parameter, scale, clipped, step);
}

// Updates R and C; row = √(mean(R)/R), column = 1/√C, so that nothing as small as their product is formed.
Adafactor::Scale Adafactor::factored(std::size_t parameter) const {
  const int64_t rows = leaf(parameter).shape.rows();
  const int64_t columns = leaf(parameter).shape.last();
  const Scale scale{rows, columns, Storage::of<real>(rows), Storage::of<real>(columns)};
  const double fresh = std::pow(static_cast<double>(updates(parameter)), -options_.decay_exponent);
  const auto keep = static_cast<real>(1 - fresh);
  const auto add = static_cast<real>(fresh);
  const auto of_row =
      static_cast<real>(1 / static_cast<double>(columns));  // inside the sums, which can not overflow so
  const auto of_column = static_cast<real>(1 / static_cast<double>(rows));
  const auto eps = static_cast<real>(options_.eps1);
  const real* g = leaf(parameter).gradient_data();
  real* row = scale.row.as<real>();
  real* column = scale.column.as<real>();
  real* row_mean = average(parameter, row_average);
  real* column_mean = average(parameter, column_average);
  sum_rows(rows, columns, false, column, [=](int64_t begin, int64_t end, real* sums) {
    for (int64_t r = begin; r < end; ++r) {
      const real* gr = g + r * columns;
      real sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < columns; ++c) {
        const real square = gr[c] * gr[c] + eps;
        sums[c] += of_column * square;
        sum += of_row * square;
      }
      row_mean[r] = keep * row_mean[r] + add * sum;
    }
  });
  double total = 0;
  for (int64_t r = 0; r < rows; ++r) total += static_cast<double>(row_mean[r]);
  const double mean = total / static_cast<double>(rows);
  for (int64_t r = 0; r < rows; ++r) row[r] = static_cast<real>(std::sqrt(mean / static_cast<double>(row_mean[r])));
  for (int64_t c = 0; c < columns; ++c) {
    column_mean[c] = keep * column_mean[c] + add * column[c];
    column[c] = 1 / std::sqrt(column_mean[c]);
  }
  return scale;
}

Adafactor::Scale Adafactor::elementwise(std::size_t parameter) const {
  const int64_t n = leaf(parameter).size();
  const Scale scale{1, n, Storage::of<real>(1), Storage::of<real>(n)};
  const double fresh = std::pow(static_cast<double>(updates(parameter)), -options_.decay_exponent);
  const auto keep = static_cast<real>(1 - fresh);
  const auto add = static_cast<real>(fresh);
  const auto eps = static_cast<real>(options_.eps1);
  const real* g = leaf(parameter).gradient_data();
  real* v = average(parameter, square_average);
  real* column = scale.column.as<real>();
  *scale.row.as<real>() = 1;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    v[i] = keep * v[i] + add * (g[i] * g[i] + eps);
    column[i] = 1 / std::sqrt(v[i]);
  }
  return scale;
}

void Adafactor::apply(std::size_t parameter, const Scale& scale, double clipped, double step) {
  const auto keep = static_cast<real>(1 - step * weight_decay(parameter));
  const auto size = static_cast<real>(step * clipped);
  const auto beta1 = static_cast<real>(options_.beta1);
  const auto fresh1 = static_cast<real>(1 - options_.beta1);
  const int64_t columns = scale.columns;
  const real* g = leaf(parameter).gradient_data();
  const real* row = scale.row.as<real>();
  const real* column = scale.column.as<real>();
  real* w = leaf(parameter).data();
  real* m = average(parameter, update_average);
  parallel_for(scale.rows, grain_of(columns), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t at = r * columns;
      const real of_row = size * row[r];
      if (m == nullptr) {
#pragma omp simd
        for (int64_t c = 0; c < columns; ++c) w[at + c] = keep * w[at + c] - of_row * (g[at + c] * column[c]);
        continue;
      }
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) {
        m[at + c] = beta1 * m[at + c] + fresh1 * (of_row * (g[at + c] * column[c]));
        w[at + c] = keep * w[at + c] - m[at + c];
      }
    }
  });
}

}  // namespace tape::inline TAPE_ABI::optim
