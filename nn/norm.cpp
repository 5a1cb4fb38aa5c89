#include <tape/nn/norm.h>

#include <array>

#include <tape/nn/names.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

constexpr std::array<Named<NormKind>, 2> norm_names{{{NormKind::Layer, "layer"}, {NormKind::RMS, "rms"}}};

}  // namespace

std::string_view name_of(NormKind kind) {
  return find_name(kind, norm_names);
}
NormKind norm_kind(std::string_view name) {
  return find_value("norm", name, norm_names);
}

}  // namespace tape::inline TAPE_ABI::nn
