#include <tape/nn/residual.h>

#include <array>
#include <cmath>

#include <tape/nn/names.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

constexpr std::array<Named<Scheme>, 3> scheme_names{
    {{Scheme::PostLN, "post"}, {Scheme::PreLN, "pre"}, {Scheme::DeepNorm, "deepnorm"}}};
constexpr std::array<Named<NormKind>, 2> norm_names{{{NormKind::Layer, "layer"}, {NormKind::RMS, "rms"}}};

}  // namespace

std::string_view name_of(Scheme scheme) {
  return find_name(scheme, scheme_names);
}
Scheme scheme(std::string_view name) {
  return find_value("scheme", name, scheme_names);
}
std::string_view name_of(NormKind kind) {
  return find_name(kind, norm_names);
}
NormKind norm_kind(std::string_view name) {
  return find_value("norm", name, norm_names);
}

SchemeConstants scheme_constants(Scheme scheme, int64_t layers) {
  const auto n = static_cast<double>(layers);
  switch (scheme) {
    case Scheme::PostLN:
      return {};
    case Scheme::PreLN:
      return {.final_norm = true};
    case Scheme::DeepNorm:
      return {.alpha = std::pow(2 * n, 0.25), .beta = std::pow(8 * n, -0.25)};
  }
  return {};
}

WeightInit scheme_init(Scheme scheme, int64_t layers) {
  if (scheme == Scheme::PreLN) {
    const double gain = gpt2_residual_gain(layers);
    return {.base = normal_init(), .attention_out = gain, .down = gain};
  }
  const double beta = scheme_constants(scheme, layers).beta;
  return {.base = xavier_normal(), .value = beta, .attention_out = beta, .hidden = beta, .down = beta};
}

}  // namespace tape::inline TAPE_ABI::nn
