// SVG pictures in the making.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <tape/examples/support/colour_scale.h>
#include <tape/examples/support/svg.h>

namespace tape::inline TAPE_ABI::tool {

/// The text of a picture, which grows line by line: what classes that draw one build on.
class SvgWriter {
 protected:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  void ink(double x, double y, std::string_view text) { put("{}", svg_ink(x, y, text)); }
  void soft(double x, double y, const char* anchor, std::string_view text) { put("{}", svg_soft(x, y, anchor, text)); }

  /// The scale beside a map: `levels` rectangles above each other, from colour_at(0) at the bottom to colour_at(1).
  void colour_bar(double x, double top, double height, int levels) {
    const double step = height / levels;
    for (int i = 0; i < levels; ++i) {
      put(R"(<rect x="{}" y="{}" width="12" height="{}" fill="{}"/>)", coordinate(x),
          coordinate(top + height - step * (i + 1)), coordinate(step + 0.4),
          colour_at(i / static_cast<double>(levels - 1)));
    }
  }

  /// Ends the picture and hands it over.
  std::string finished() {
    text_ += "</svg>\n";
    return std::move(text_);
  }

 private:
  std::string text_;
};

}  // namespace tape::inline TAPE_ABI::tool
