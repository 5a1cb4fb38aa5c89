#include <tape/optim/moments.h>

#include <cmath>
#include <limits>

namespace tape::inline TAPE_ABI::optim {

namespace {

std::vector<std::string> with_moments(const std::vector<std::string>& more) {
  std::vector<std::string> names{"m", "v"};
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

}  // namespace

MomentOptimizer::MomentOptimizer(std::string name, ParameterList list, const Betas& betas, Common common, Memory more)
    : Optimizer(std::move(name), std::move(list), {with_moments(more.averages), std::move(more.numbers)},
                std::move(common)),
      betas_(betas),
      coefficients_(parameters().size()) {
  require_option(betas.beta1 >= 0 && betas.beta1 < 1, "beta1", "at least 0 and below 1", betas.beta1);
  require_option(betas.beta2 >= 0 && betas.beta2 < 1, "beta2", "at least 0 and below 1", betas.beta2);
  // An eps that rounds to zero would give 0/0 where a gradient is zero.
  require_option(betas.eps >= static_cast<double>(std::numeric_limits<real>::min()) && std::isfinite(betas.eps), "eps",
                 "a finite number above 1e-37", betas.eps);
}

double MomentOptimizer::correction(double beta, std::size_t parameter) const {
  return 1 - std::pow(beta, static_cast<double>(updates(parameter)));
}

void MomentOptimizer::prepare(std::size_t parameter, double rate) {
  const Coefficients c = coefficients(parameter, rate);
  coefficients_[parameter] = {static_cast<real>(c.l2),      static_cast<real>(c.keep), static_cast<real>(c.gradient),
                              static_cast<real>(c.average), static_cast<real>(c.root), static_cast<real>(c.eps)};
}

void MomentOptimizer::update(std::size_t parameter, int64_t begin, int64_t end) {
  const Rounded c = coefficients_[parameter];
  const auto beta1 = static_cast<real>(betas_.beta1);
  const auto beta2 = static_cast<real>(betas_.beta2);
  const auto fresh1 = static_cast<real>(1 - betas_.beta1);
  const auto fresh2 = static_cast<real>(1 - betas_.beta2);
  const real* g = leaf(parameter).gradient_data();
  real* w = leaf(parameter).data();
  real* m = average(parameter, 0);
  real* v = average(parameter, 1);
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const real gi = g[i] + c.l2 * w[i];
    const real mi = beta1 * m[i] + fresh1 * gi;
    const real vi = beta2 * v[i] + fresh2 * gi * gi;
    m[i] = mi;
    v[i] = vi;
    w[i] = c.keep * w[i] - (c.gradient * gi + c.average * mi) / (std::sqrt(vi) * c.root + c.eps);
  }
}

}  // namespace tape::inline TAPE_ABI::optim
