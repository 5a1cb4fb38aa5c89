#include <tape/core/precision.h>

#include <array>
#include <utility>

#include <tape/core/error.h>
#include <tape/core/onednn.h>

namespace tape::inline TAPE_ABI {

namespace {

constexpr std::array<std::pair<Precision, std::string_view>, 3> names{
    {{Precision::f32, "f32"}, {Precision::bf16, "bf16"}, {Precision::bf16_emulated, "bf16-emulated"}}};

}  // namespace

std::string_view name_of(Precision precision) {
  for (const auto& [value, name] : names) {
    if (value == precision) return name;
  }
  return "";
}

Precision precision(std::string_view name) {
  for (const auto& [value, known] : names) {
    if (known == name) return value;
  }
  throw Error(str("unknown precision \"", name, "\": choose one of f32, bf16, bf16-emulated"));
}

void check(Precision precision) {
  if (precision == Precision::f32) return;
  if (sizeof(real) != sizeof(float)) throw Error(str("precision ", name_of(precision), " is for f32, not for f64"));
  if (precision == Precision::bf16_emulated) return;
  const std::string loaded = onednn::description();
  const char* instead = ": use bf16-emulated (the same numbers, slower) or f32";
  if (loaded.empty()) {
    throw Error(
        str("precision bf16 needs oneDNN, which this build has not: install it (on Debian or Ubuntu: apt-get "
            "install libdnnl-dev) and build again, or",
            instead + 1));
  }
  if (!onednn::has_bf16()) {
    throw Error(str("precision bf16 needs a processor with AVX-512, and this one has none that oneDNN can use (",
                    loaded, ")", instead));
  }
}

}  // namespace tape::inline TAPE_ABI
