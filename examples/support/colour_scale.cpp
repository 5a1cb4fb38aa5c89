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

Colour mixed(double part) {
  const double place = std::clamp(part, 0.0, 1.0) * (stops.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), stops.size() - 2);
  const double t = place - static_cast<double>(below);
  const Colour& a = stops[below];
  const Colour& b = stops[below + 1];
  return {a.red + t * (b.red - a.red), a.green + t * (b.green - a.green), a.blue + t * (b.blue - a.blue)};
}

// Relative luminance as in WCAG 2.
double luminance(const Colour& c) {
  const auto linear = [](double channel) {
    const double part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : std::pow((part + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(c.red) + 0.7152 * linear(c.green) + 0.0722 * linear(c.blue);
}

}  // namespace

std::string colour_at(double part) {
  const Colour c = mixed(part);
  return fmt::format("#{:02x}{:02x}{:02x}", std::lround(c.red), std::lround(c.green), std::lround(c.blue));
}

const char* ink_on(double part) {
  const double above_black = luminance(mixed(part)) + 0.05;
  return above_black * above_black > 1.05 * 0.05 ? "#000000" : "#ffffff";
}

}  // namespace tape::inline TAPE_ABI::tool
