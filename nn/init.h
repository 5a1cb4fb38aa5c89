// First values of parameters. A module states an Init for each of its parameters; initialize() (module.h) draws them.
#pragma once

#include <tape/core/parameter.h>

namespace tape::inline TAPE_ABI::nn {

/// Normal with a given standard deviation, times gain. GPT-2 uses 0.02.
Init normal_init(double stddev = 0.02, double gain = 1);
/// Uniform in ±gain·√(6/(fan_in + fan_out)). Glorot & Bengio 2010, equation 16.
Init xavier_uniform(double gain = 1);
/// Normal with standard deviation gain·√(2/(fan_in + fan_out)).
Init xavier_normal(double gain = 1);
/// Uniform in ±gain·√(3/fan_in); gain √2 keeps the variance through ReLU. He et al. 2015, equation 10.
Init kaiming_uniform(double gain = 1.4142135623730951);
/// Normal with standard deviation gain/√fan_in.
Init kaiming_normal(double gain = 1.4142135623730951);
Init zeros_init();
Init ones_init();
/// Every element is `value`.
Init constant_init(double value);

/// The standard deviation that an Init gives a weight (out, in) with the given gain.
double init_stddev(const Init& init, int64_t fan_in, int64_t fan_out, double gain);

/// GPT-2's factor on the projections that write to the residual stream: 1/√branches, so that the sum over all branches
/// of a stack (2L, or 3M in a decoder with cross attention) starts with the variance of one. Radford et al. 2019,
/// section 2.3.
double gpt2_residual_gain(int64_t branches);

/// The distribution of a model's weights and the gain of each role, as residual schemes ask for different ones.
struct WeightInit {
  Init base;                 ///< its gain is replaced by one of these:
  double query_key = 1;      ///< projections to queries and keys
  double value = 1;          ///< projection to values
  double attention_out = 1;  ///< attention's projection back to the residual stream
  double hidden = 1;         ///< feed-forward, in and gate
  double down = 1;           ///< feed-forward, out

  Init with_gain(double gain) const {
    Init init = base;
    init.gain = gain;
    return init;
  }
  /// For a packed weight with rows of queries, then of keys, then of as many values. Queries have a gain of their own
  /// besides.
  Init packed_qkv(int64_t query_rows, int64_t key_rows, double query = 1) const {
    Init init = base;
    init.row_gains = {query_key * query, query_key, value};
    init.group_rows = {query_rows, key_rows, key_rows};
    return init;
  }
  /// For a packed weight with rows of keys, then of as many values.
  Init packed_key_value() const {
    Init init = base;
    init.row_gains = {query_key, value};
    return init;
  }
};

}  // namespace tape::inline TAPE_ABI::nn
