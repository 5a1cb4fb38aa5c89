#include <tape/nn/residual.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

std::optional<Norm> norm_if(bool wanted, const Slots& slots, NormConfig config, int64_t width) {
  if (!wanted) return std::nullopt;
  if (slots.gain_only) config.bias = false;
  return std::optional<Norm>(std::in_place, config, width);
}

Parameter gain_of(const LearnedGain& gain, int64_t width) {
  if (gain.kind == LearnedGain::Kind::none) return {};
  return Parameter({gain.kind == LearnedGain::Kind::columns ? width : 1}, constant_init(gain.start), false);
}

}  // namespace

Residual::Residual(const Slots& slots_, const NormConfig& norm, int64_t width)
    : slots(slots_),
      norm_stream(norm_if(slots.norm_stream, slots, norm, width)),
      norm_input(norm_if(slots.norm_input, slots, norm, width)),
      norm_output(norm_if(slots.norm_output, slots, norm, width)),
      norm_sum(norm_if(slots.norm_sum, slots, norm, width)),
      skip_gain(gain_of(slots.skip_gain, width)),
      branch_gain(gain_of(slots.branch_gain, width)) {}

Tensor Residual::input(const Tensor& x, Where where) const {
  const Tensor y = norm_input ? (*norm_input)(x, where) : x;
  return slots.input_scale == 1 ? y : scale(y, slots.input_scale, where);
}

Tensor Residual::output(const Tensor& z, Where where) const {
  Tensor y = norm_output ? (*norm_output)(z, where) : z;
  if (branch_gain) y = multiply_rows(y, branch_gain, where);
  return slots.branch == 1 ? y : scale(y, slots.branch, where);
}

Tensor Residual::sum(const Tensor& x, const Tensor& z, Where where) const {
  const Tensor skip = skip_gain ? multiply_rows(x, skip_gain, where) : x;
  const Tensor y = slots.skip == 1 ? add(skip, z, where) : axpy(slots.skip, skip, z, where);
  return norm_sum ? (*norm_sum)(y, where) : y;
}

}  // namespace tape::inline TAPE_ABI::nn
