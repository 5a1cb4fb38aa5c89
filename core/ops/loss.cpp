#include <tape/core/ops/loss.h>

#include <algorithm>
#include <cmath>

#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

int64_t count_targets(const Ids& targets, int32_t ignore_index) {
  return targets.size() - std::ranges::count(targets.values(), ignore_index);
}

// L = 1/n·Σ_r ℓ_r,  ℓ_r = lse_r - (1-ε)·z_rt - ε/V·Σ_v z_rv,  lse = log Σ_v e^z_v      z (R, V)
//   Σ over rows that count; n is their number or the divisor asked for
//   saves z and lse, one number for each row
//   dz_rv = dL/n·(e^(z_rv - lse_r) - (1-ε)·[v = t_r] - ε/V), zero in a row that does not count
Tensor cross_entropy(const Tensor& logits, const Ids& targets, const CrossEntropyOptions& options, Where where) {
  const Op op("cross_entropy", where);
  op.need({&logits});
  const int64_t vocabulary = logits.last();
  const int64_t rows = logits.rows();
  if (logits.rank() < 1 || vocabulary == 0 || targets.shape() != logits.shape().without_last()) {
    op.fail(
        str("targets ", targets.shape(), " must have the shape of logits ", logits.shape(), " without its last size"));
  }
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1)) {
    op.fail(str("label_smoothing must be within 0 … 1, it is ", options.label_smoothing));
  }
  int64_t counted = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t target = targets.data()[r];
    if (target == options.ignore_index) continue;
    ++counted;
    if (target < 0 || target >= vocabulary) {
      op.fail(str("target ", target, " in row ", r, " must be at least 0 and below ", vocabulary,
                  ", the last size of logits ", logits.shape(), ", or ignore_index ", options.ignore_index));
    }
  }
  if (!(options.divisor >= 0 && std::isfinite(options.divisor))) {
    op.fail(str("divisor must be a finite number of at least 0, it is ", options.divisor));
  }
  const double divisor = options.divisor > 0 ? options.divisor : static_cast<double>(counted);
  if (divisor == 0) op.fail(str("no target counts: all ", rows, " are ignore_index ", options.ignore_index));

  const auto smoothing = static_cast<real>(options.label_smoothing);
  const auto on_target = static_cast<real>(1 - options.label_smoothing);
  const auto everywhere = static_cast<real>(options.label_smoothing / static_cast<double>(vocabulary));
  const Storage lse = Storage::of<real>(rows);
  const double total = parallel_sum(rows, row_grain(vocabulary), [&](int64_t begin, int64_t end) {
    double part = 0;
    for (int64_t r = begin; r < end; ++r) {
      const real* z = logits.data() + r * vocabulary;
      const int32_t target = targets.data()[r];
      if (target == options.ignore_index) continue;
      const real top = row_max(z, vocabulary);
      const real log_sum = top + std::log(sum_exp_row(z, vocabulary, top));
      lse.as<real>()[r] = log_sum;
      part += static_cast<double>(log_sum) - static_cast<double>(on_target) * static_cast<double>(z[target]);
      if (smoothing > 0) part -= static_cast<double>(everywhere) * static_cast<double>(row_sum(z, vocabulary));
    }
    return part;
  });
  const Tensor loss = Tensor::scalar(static_cast<real>(total / divisor));
  return op.record(loss, {&logits}, [=, ignore = options.ignore_index](Backward& b) {
    // In the place of the logits, which may be the largest tensor of all, unless someone else has them.
    Storage gradient = logits.storage().unique() ? logits.storage() : Storage::of<real>(logits.size());
    const real factor = *b.dy() / static_cast<real>(divisor);
    parallel_for(rows, row_grain(vocabulary),
                 [=, z = logits.data(), dz = gradient.as<real>(), sums = lse.as<real>(), target = targets.data()](
                     int64_t begin, int64_t end) {
                   for (int64_t r = begin; r < end; ++r) {
                     const int64_t at = r * vocabulary;
                     if (target[r] == ignore) {
                       std::fill_n(dz + at, vocabulary, real{0});
                       continue;
                     }
#pragma omp simd
                     for (int64_t v = 0; v < vocabulary; ++v)
                       dz[at + v] = factor * (exp_(z[at + v] - sums[r]) - everywhere);
                     dz[at + target[r]] -= factor * on_target;
                   }
                 });
    b.give(0, std::move(gradient));
  });
}

}  // namespace tape::inline TAPE_ABI
