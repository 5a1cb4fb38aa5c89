#include <tape/nn/norm.h>

#include <array>
#include <cmath>

#include <tape/nn/names.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

constexpr std::array<NormInfo, 5> table{{
    {NormKind::Layer, "layer", "LayerNorm", "(x - mean(x))/√(var(x) + ε) ⊙ w + b", "scale and shift",
     "Ba et al. 2016, arXiv 1607.06450, section 3"},
    {NormKind::RMS, "rms", "RMSNorm", "x/√(mean(x²) + ε) ⊙ w", "scale",
     "Zhang & Sennrich 2019, arXiv 1910.07467, equation 4; partial: pRMSNorm there"},
    {NormKind::Scale, "scale", "ScaleNorm", "g·x/max(‖x‖, ε), one gain g, from √C", "scale",
     "Nguyen & Salazar 2019, arXiv 1910.05895, equation 5"},
    {NormKind::DyT, "dyt", "DyT", "tanh(α·x) ⊙ w + b", "nothing", "Zhu et al. 2025, arXiv 2503.10622, equation 1"},
    {NormKind::Derf, "derf", "Derf", "erf(α·x + s) ⊙ w + b", "nothing", "Chen et al. 2025, arXiv 2512.10938"},
}};
constexpr std::array<Named<EpsPlace>, 2> place_names{{{EpsPlace::inside, "inside"}, {EpsPlace::outside, "outside"}}};

bool is_pointwise(NormKind kind) {
  return kind == NormKind::DyT || kind == NormKind::Derf;
}

const NormConfig& checked(const NormConfig& config, int64_t width) {
  check(config);
  if (width < 1) throw Error(str("norm ", name_of(config.kind), ": width must be at least 1, it is ", width));
  return config;
}

bool has_bias(const NormConfig& c) {
  return c.bias.value_or(c.kind == NormKind::Layer || is_pointwise(c.kind));
}

Parameter weight_of(const NormConfig& c, int64_t width) {
  if (c.kind == NormKind::Scale) return Parameter({1}, constant_init(std::sqrt(static_cast<double>(width))), false);
  if (!c.gain) return {};
  return Parameter({width}, c.unit_offset ? zeros_init() : ones_init(), false);
}

}  // namespace

std::string_view name_of(NormKind kind) {
  return find_name(kind, table, &NormInfo::kind);
}
NormKind norm_kind(std::string_view name) {
  return find_value("norm", name, table, &NormInfo::kind);
}
std::span<const NormInfo> norm_table() {
  return table;
}
bool is_scale_invariant(NormKind kind) {
  return !is_pointwise(kind);
}
std::string_view name_of(EpsPlace place) {
  return find_name(place, place_names);
}
EpsPlace eps_place(std::string_view name) {
  return find_value("place of eps", name, place_names);
}

void check(const NormConfig& c) {
  const auto require = [&c](bool holds, const char* field, const char* rule) {
    if (!holds) throw Error(str("norm ", name_of(c.kind), ": ", field, " ", rule));
  };
  const auto require_value = [&c](bool holds, const char* field, const char* rule, double value) {
    if (!holds) throw Error(str("norm ", name_of(c.kind), ": ", field, " must be ", rule, ", it is ", value));
  };
  const bool by_statistic = c.kind == NormKind::Layer || c.kind == NormKind::RMS;
  require_value(c.eps >= 0 && std::isfinite(c.eps), "eps", "a finite number of at least 0", c.eps);
  require_value(c.kind != NormKind::Scale || c.eps > 0, "eps", "above 0", c.eps);
  require(c.eps_place == EpsPlace::inside || by_statistic, "eps_place", "can only be outside for layer and rms");
  require(!c.unit_offset || (by_statistic && c.gain), "unit_offset", "is for layer and rms with a gain");
  require_value(c.partial > 0 && c.partial <= 1, "partial", "above 0 and at most 1", c.partial);
  require(c.partial == 1 || c.kind == NormKind::RMS, "partial", "is for rms: other norms look at all columns");
  require(c.gain || c.kind != NormKind::Scale, "gain", "can not be left out: it is all that scale has");
  require(!c.bias.value_or(false) || c.kind != NormKind::Scale, "bias", "is not part of scale");
  require_value(c.alpha > 0 && std::isfinite(c.alpha), "alpha", "a finite number above 0", c.alpha);
  require(c.alpha == NormConfig().alpha || is_pointwise(c.kind), "alpha", "is for dyt and derf");
}

Norm::Norm(const NormConfig& config_, int64_t width)
    : config(checked(config_, width)),
      weight(weight_of(config, width)),
      bias(has_bias(config) ? Parameter({width}, zeros_init(), false) : Parameter()),
      alpha(is_pointwise(config.kind) ? Parameter({1}, constant_init(config.alpha), false) : Parameter()),
      shift(config.kind == NormKind::Derf ? Parameter({1}, zeros_init(), false) : Parameter()) {}

}  // namespace tape::inline TAPE_ABI::nn
