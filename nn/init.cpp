#include <tape/nn/init.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <tape/core/random.h>
#include <tape/core/tensor.h>
#include <tape/nn/module.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

Init with_gain(Init::Kind kind, double gain) {
  return {.kind = kind, .gain = gain};
}

bool is_uniform(Init::Kind kind) {
  return kind == Init::Kind::xavier_uniform || kind == Init::Kind::kaiming_uniform;
}

// Draws the rows of one group of a weight (or the whole of any other parameter).
void draw_group(Tensor& group, const Init& init, double gain, const Draw& draw) {
  const int64_t fan_out = group.rank() >= 1 ? group.shape()[0] : 1;
  const double stddev = init_stddev(init, group.last(), fan_out, gain);
  if (is_uniform(init.kind)) {
    const double bound = stddev * std::sqrt(3.0);
    fill_uniform(group, -bound, bound, draw);
  } else {
    fill_normal(group, 0, stddev, draw);
  }
}

// How many rows each group of a parameter has.
std::vector<int64_t> group_rows(const Leaf& leaf, std::size_t groups) {
  const std::vector<int64_t>& given = leaf.init.group_rows;
  const int64_t all = leaf.shape.rank() > 0 ? leaf.shape[0] : 1;
  const auto count = static_cast<int64_t>(groups);
  if (given.empty()) {
    if (all % count != 0) {
      throw Error(
          str("initialize: the rows of ", leaf.name, " ", leaf.shape, " do not divide into ", groups, " equal groups"));
    }
    return std::vector<int64_t>(groups, all / count);
  }
  const int64_t sum = std::accumulate(given.begin(), given.end(), int64_t{0});
  if (given.size() != groups || sum != all || std::ranges::any_of(given, [](int64_t rows) { return rows < 1; })) {
    throw Error(str("initialize: ", leaf.name, " ", leaf.shape, " has ", given.size(), " groups of ", sum,
                    " rows in all, which must be as many as its ", groups, " gains and ", all, " rows"));
  }
  return given;
}

void draw_values(Leaf& leaf, Seed seed) {
  const Init& init = leaf.init;
  switch (init.kind) {
    case Init::Kind::zeros:
      return void(std::fill_n(leaf.data(), leaf.size(), real{0}));
    case Init::Kind::ones:
      return void(std::fill_n(leaf.data(), leaf.size(), real{1}));
    case Init::Kind::constant:
      return void(std::fill_n(leaf.data(), leaf.size(), static_cast<real>(init.gain)));
    default:
      break;
  }
  if (leaf.shape.rank() < 2 && init.kind != Init::Kind::normal) {
    throw Error(
        str("initialize: ", leaf.name, " ", leaf.shape, " has no fan-in and fan-out: use normal, zeros or ones"));
  }
  const std::vector<double> gains = init.row_gains.empty() ? std::vector<double>{init.gain} : init.row_gains;
  const std::vector<int64_t> rows = group_rows(leaf, gains.size());
  Random random = Random::named(seed, leaf.name);
  real* out = leaf.data();
  for (std::size_t g = 0; g < gains.size(); ++g) {
    Tensor group = Tensor::uninitialized(leaf.shape.rank() > 0 ? leaf.shape.with(0, rows[g]) : leaf.shape);
    draw_group(group, init, gains[g], random.next());
    out = std::ranges::copy(group.values(), out).out;
  }
}

}  // namespace

Init normal_init(double stddev, double gain) {
  return {.kind = Init::Kind::normal, .gain = gain, .stddev = stddev};
}
Init xavier_uniform(double gain) {
  return with_gain(Init::Kind::xavier_uniform, gain);
}
Init xavier_normal(double gain) {
  return with_gain(Init::Kind::xavier_normal, gain);
}
Init kaiming_uniform(double gain) {
  return with_gain(Init::Kind::kaiming_uniform, gain);
}
Init kaiming_normal(double gain) {
  return with_gain(Init::Kind::kaiming_normal, gain);
}
Init zeros_init() {
  return {.kind = Init::Kind::zeros};
}
Init ones_init() {
  return {.kind = Init::Kind::ones};
}
Init constant_init(double value) {
  return with_gain(Init::Kind::constant, value);
}

double init_stddev(const Init& init, int64_t fan_in, int64_t fan_out, double gain) {
  switch (init.kind) {
    case Init::Kind::zeros:
    case Init::Kind::ones:
    case Init::Kind::constant:
      return 0;
    case Init::Kind::normal:
      return gain * init.stddev;
    case Init::Kind::xavier_uniform:
    case Init::Kind::xavier_normal:
      return gain * std::sqrt(2.0 / static_cast<double>(fan_in + fan_out));
    case Init::Kind::kaiming_uniform:
    case Init::Kind::kaiming_normal:
      return gain / std::sqrt(static_cast<double>(fan_in));
  }
  return 0;
}

double gpt2_residual_gain(int64_t branches) {
  return 1 / std::sqrt(static_cast<double>(branches));
}

void initialize(const ParameterList& list, Seed seed) {
  for (const LeafPtr& leaf : list) {
    draw_values(*leaf, seed);
    leaf->initialized = true;
  }
}

}  // namespace tape::inline TAPE_ABI::nn
