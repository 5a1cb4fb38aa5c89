#include <tape/examples/support/markov_source.h>

#include <cmath>

namespace tape::inline TAPE_ABI::tool {

namespace {

double entropy_of(const auto& distribution) {
  double sum = 0;
  for (const double p : distribution) sum -= p > 0 ? p * std::log(p) : 0;
  return sum;
}

}  // namespace

MarkovSource::MarkovSource(Seed seed) : seed_(seed) {
  const Draw draw = Random::named(seed, "markov table").next();
  for (std::size_t a = 0; a < vocab; ++a) {
    double sum = 0;
    for (std::size_t b = 0; b < vocab; ++b) sum += next_[a][b] = std::exp(2 * draw.normal(a * vocab + b));
    for (double& p : next_[a]) p /= sum;
  }
  // All probabilities are above 0, so that any start leads to the same shares.
  share_.fill(1.0 / vocab);
  for (int i = 0; i < 1000; ++i) {
    Distribution after{};
    for (std::size_t a = 0; a < vocab; ++a) {
      for (std::size_t b = 0; b < vocab; ++b) after[b] += share_[a] * next_[a][b];
    }
    share_ = after;
  }
}

int32_t MarkovSource::draw_from(const Distribution& distribution, double u) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < vocab; ++i) {
    sum += distribution[i];
    if (u < sum) return static_cast<int32_t>(i);
  }
  return vocab - 1;
}

Batch MarkovSource::batch(int64_t rows, int64_t context, int64_t index) const {
  const Draw draw = Random::named(seed_, "markov text").at(static_cast<uint64_t>(index));
  const Shape shape{rows, context};
  Batch batch{Ids(shape), Ids(shape)};
  uint64_t drawn = 0;
  for (int64_t row = 0; row < rows; ++row) {
    int32_t token = draw_from(share_, draw.uniform(drawn++));
    for (int64_t i = row * context; i < (row + 1) * context; ++i) {
      batch.input.mutable_data()[i] = token;
      token = draw_from(next_[static_cast<std::size_t>(token)], draw.uniform(drawn++));
      batch.target.mutable_data()[i] = token;
    }
  }
  return batch;
}

double MarkovSource::entropy() const {
  double sum = 0;
  for (std::size_t a = 0; a < vocab; ++a) sum += share_[a] * entropy_of(next_[a]);
  return sum;
}

double MarkovSource::unigram_entropy() const {
  return entropy_of(share_);
}

}  // namespace tape::inline TAPE_ABI::tool
