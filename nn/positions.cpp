#include <tape/nn/positions.h>

#include <array>
#include <cmath>

#include <tape/nn/names.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

constexpr std::array<Named<Positions>, 6> position_names{{{Positions::Learned, "learned"},
                                                          {Positions::Sinusoidal, "sinusoidal"},
                                                          {Positions::Rotary, "rotary"},
                                                          {Positions::ALiBi, "alibi"},
                                                          {Positions::RelativeBias, "relative"},
                                                          {Positions::None, "none"}}};

}  // namespace

std::string_view name_of(Positions positions) {
  return find_name(positions, position_names);
}
Positions positions(std::string_view name) {
  return find_value("positions", name, position_names);
}

Tensor sinusoidal_table(int64_t length, int64_t width) {
  Tensor table = Tensor::uninitialized({length, width});
  for (int64_t t = 0; t < length; ++t) {
    for (int64_t c = 0; c < width; ++c) {
      const double exponent = static_cast<double>(c / 2 * 2) / static_cast<double>(width);
      const double angle = static_cast<double>(t) / std::pow(10000.0, exponent);
      table.mutable_data()[t * width + c] = static_cast<real>(c % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return table;
}

}  // namespace tape::inline TAPE_ABI::nn
