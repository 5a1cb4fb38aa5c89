#include <tape/optim/clip.h>

#include <cmath>

#include <tape/optim/sweep.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

real* gradient(const ParameterList& parameters, const Chunk& chunk) {
  return parameters[static_cast<std::size_t>(chunk.parameter)]->gradient_data() + chunk.begin;
}

double norm_of(const ParameterList& parameters, const Sweep& sweep) {
  const Storage memory = Storage::of<double>(sweep.chunks());
  double* sums = memory.as<double>();
  sweep.run([&](int64_t c, const Chunk& chunk) {
    const real* g = gradient(parameters, chunk);
    const int64_t n = chunk.size();
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    sums[c] = sum;
  });
  double total = 0;
  for (int64_t c = 0; c < sweep.chunks(); ++c) total += sums[c];
  return std::sqrt(total);
}

}  // namespace

double grad_norm(const ParameterList& parameters) {
  return norm_of(parameters, Sweep(parameters));
}

double clip_grad_norm(const ParameterList& parameters, double max) {
  if (!(max > 0)) throw Error(str("clip_grad_norm: max must be above 0, not ", max));
  const Sweep sweep(parameters);
  const double norm = norm_of(parameters, sweep);
  const double factor = max / (norm + 1e-6);
  if (!std::isfinite(norm) || factor >= 1) return norm;
  const auto scale = static_cast<real>(factor);
  sweep.run([&](int64_t, const Chunk& chunk) {
    real* g = gradient(parameters, chunk);
    const int64_t n = chunk.size();
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) g[i] *= scale;
  });
  return norm;
}

double clip_grad_norm(const Optimizer& optimizer, double max) {
  return clip_grad_norm(optimizer.parameters(), max);
}

void clip_grad_value(const ParameterList& parameters, double limit) {
  if (!(limit > 0)) throw Error(str("clip_grad_value: limit must be above 0, not ", limit));
  const auto high = static_cast<real>(limit);
  Sweep(parameters).run([&](int64_t, const Chunk& chunk) {
    real* g = gradient(parameters, chunk);
    const int64_t n = chunk.size();
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) g[i] = g[i] > high ? high : g[i] < -high ? -high : g[i];  // a NaN passes both
  });
}

void clip_grad_value(const Optimizer& optimizer, double limit) {
  clip_grad_value(optimizer.parameters(), limit);
}

}  // namespace tape::inline TAPE_ABI::optim
