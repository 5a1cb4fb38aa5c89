#include <tape/examples/support/colour_scale.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace tape::inline TAPE_ABI::tool {

namespace {

struct Colour {
  double red, green, blue;
};
constexpr std::array<Colour, 5> stops{{{255, 234, 120}, {203, 186, 105}, {142, 139, 120}, {85, 91, 109}, {0, 42, 98}}};

}  // namespace

std::string colour_at(double part) {
  const double place = std::clamp(part, 0.0, 1.0) * (stops.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), stops.size() - 2);
  const double t = place - static_cast<double>(below);
  const Colour& a = stops[below];
  const Colour& b = stops[below + 1];
  const auto mix = [t](double from, double to) { return std::lround(from + t * (to - from)); };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue));
}

}  // namespace tape::inline TAPE_ABI::tool
