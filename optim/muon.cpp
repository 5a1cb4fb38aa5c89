#include <tape/optim/muon.h>

#include <algorithm>
#include <cmath>

#include <tape/core/pattern.h>
#include <tape/optim/newton_schulz.h>
#include <tape/optim/norms.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

constexpr std::size_t momentum_average = 2;  // after AdamW's m and v

double scale_of(MuonScale scale, int64_t rows, int64_t columns) {
  const auto r = static_cast<double>(rows);
  const auto c = static_cast<double>(columns);
  return scale == MuonScale::Spectral ? std::sqrt(std::max(1.0, r / c)) : 0.2 * std::sqrt(std::max(r, c));
}

}  // namespace

int64_t hidden_matrices(const Leaf& leaf) {
  const std::string name = "." + leaf.name + ".";
  for (const char* outside : {"*embedding*", "*.head.*", "*.lm_head.*"}) {
    if (matches_pattern(name, outside)) return 0;
  }
  if (leaf.shape.rank() == 3) return leaf.shape[0];
  if (leaf.shape.rank() != 2) return 0;
  return std::max<int64_t>(1, static_cast<int64_t>(leaf.init.row_gains.size()));
}

Muon::Muon(ParameterList list, const MuonOptions& options)
    : MomentOptimizer("muon", std::move(list), {options.beta1, options.beta2, options.eps},
                      {options.weight_decay, options.decay, options.groups}, {.averages = {"momentum"}}),
      options_(options),
      steps_(parameters().size()) {
  require_option(options.momentum >= 0 && options.momentum < 1, "momentum", "at least 0 and below 1", options.momentum);
  require_option(options.iterations >= 1 && options.iterations <= 20, "iterations", "at least 1 and at most 20",
                 options.iterations);
  require_option(options.rest_rate >= 0 && std::isfinite(options.rest_rate), "rest_rate",
                 "a finite number of at least 0", options.rest_rate);
  for (const LeafPtr& leaf : parameters()) {
    const int64_t count = options.hidden(*leaf);
    matrices_.push_back(count);
    if (count >= 0 && (count == 0 || leaf->shape.rows() % count == 0)) continue;
    throw Error(str(name(), ": ", leaf->name, " ", leaf->shape, " can not hold ", count, " matrices of equal shape"));
  }
}

std::optional<Shape> Muon::average_shape(std::size_t parameter, std::size_t which) const {
  const bool hidden = is_whole(parameter);
  return hidden == (which == momentum_average) ? std::optional(leaf(parameter).shape) : std::nullopt;
}

Muon::Coefficients Muon::coefficients(std::size_t parameter, double rate) {
  const double rest = rate * options_.rest_rate;
  return {.keep = 1 - rest * weight_decay(parameter),
          .average = rest / correction(betas().beta1, parameter),
          .root = 1 / std::sqrt(correction(betas().beta2, parameter)),
          .eps = betas().eps};
}

void Muon::prepare(std::size_t parameter, double rate) {
  if (!is_whole(parameter)) return MomentOptimizer::prepare(parameter, rate);
  const Shape& shape = leaf(parameter).shape;
  const double scale = scale_of(options_.scale, shape.rows() / matrices_[parameter], shape.last());
  steps_[parameter] = {static_cast<real>(1 - rate * weight_decay(parameter)), static_cast<real>(rate * scale)};
}

void Muon::update_whole(std::size_t parameter) {
  const auto mu = static_cast<real>(options_.momentum);
  const auto fresh = static_cast<real>(1 - options_.momentum);
  const real of_average = options_.nesterov ? mu : real{1};
  const real of_gradient = options_.nesterov ? fresh : real{0};
  const int64_t size = leaf(parameter).size();
  const Storage memory = Storage::of<real>(size);
  const real* g = leaf(parameter).gradient_data();
  real* m = average(parameter, momentum_average);
  real* x = memory.as<real>();
  parallel_for(size, elementwise_grain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      m[i] = mu * m[i] + fresh * g[i];
      x[i] = of_average * m[i] + of_gradient * g[i];
    }
  });

  const int64_t count = matrices_[parameter];
  const int64_t rows = leaf(parameter).shape.rows() / count;
  const int64_t columns = leaf(parameter).shape.last();
  const int64_t each = rows * columns;
  for (int64_t k = 0; k < count; ++k) {
    real* part = x + k * each;
    const auto scale = static_cast<real>(1 / (std::sqrt(sum_of_squares(part, each)) + 1e-7));
    parallel_for(each, elementwise_grain, [=](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) part[i] *= scale;
    });
    newton_schulz({part, rows, columns}, options_.iterations);
  }

  const Step step = steps_[parameter];
  real* w = leaf(parameter).data();
  parallel_for(size, elementwise_grain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) w[i] = step.keep * w[i] - step.size * x[i];
  });
}

}  // namespace tape::inline TAPE_ABI::optim
