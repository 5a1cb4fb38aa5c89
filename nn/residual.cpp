#include <tape/nn/residual.h>

#include <utility>

#include <tape/core/probe.h>

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

Residual::Residual(const Slots& slots_, const NormConfig& norm, int64_t width, std::string name_)
    : slots(slots_),
      name(std::move(name_)),
      norm_stream(norm_if(slots.norm_stream, slots, norm, width)),
      norm_input(norm_if(slots.norm_input, slots, norm, width)),
      norm_output(norm_if(slots.norm_output, slots, norm, width)),
      norm_sum(norm_if(slots.norm_sum, slots, norm, width)),
      skip_gain(gain_of(slots.skip_gain, width)),
      branch_gain(gain_of(slots.branch_gain, width)) {}

Tensor Residual::normed(const std::optional<Norm>& norm, const char* suffix, const Tensor& x, Where where) const {
  if (!norm) return x;
  const Tensor y = (*norm)(x, where);
  return Probe::current() ? tap(name + suffix, "hook_normalized", y, where) : y;
}

bool Residual::adds_only() const {
  return !norm_output && !branch_gain && !skip_gain && slots.branch == 1 && slots.skip == 1 && !Probe::current();
}

Tensor Residual::input(const Tensor& x, Where where) const {
  const Tensor y = normed(norm_input, "", x, where);
  return slots.input_scale == 1 ? y : scale(y, slots.input_scale, where);
}

Tensor Residual::output(const Tensor& z, Where where) const {
  Tensor y = normed(norm_output, "_post", z, where);
  if (branch_gain) y = multiply_rows(y, branch_gain, where);
  return slots.branch == 1 ? y : scale(y, slots.branch, where);
}

Tensor Residual::sum(const Tensor& x, const Tensor& z, Where where) const {
  const Tensor skip = skip_gain ? multiply_rows(x, skip_gain, where) : x;
  const Tensor y = slots.skip == 1 ? add(skip, z, where) : axpy(slots.skip, skip, z, where);
  return normed(norm_sum, "_sum", y, where);
}

}  // namespace tape::inline TAPE_ABI::nn
