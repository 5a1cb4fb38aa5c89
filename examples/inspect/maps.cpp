#include <tape/examples/inspect/maps.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tape/examples/lab/html.h>
#include <tape/examples/support/svg.h>

namespace tape::inline TAPE_ABI::inspect {

namespace {

using lab::Language;
using lab::Text;
using tool::coordinate;
using tool::svg_soft;
using tool::xml_text;

constexpr int shades = 255;
constexpr int unit = 10;  // of a map's drawing, for one number

// An SVG image that shows one pixel for each number, without smoothing.
std::string image(const IndexedImage& pixels, double x, double y, double width, double height) {
  return fmt::format(R"(<image class="tinted" x="{}" y="{}" width="{}" height="{}" preserveAspectRatio="none" )"
                     R"(href="data:image/png;base64,{}"/>)",
                     coordinate(x), coordinate(y), coordinate(width), coordinate(height),
                     base64(png_of(pixels, palette())));
}

std::string key_sign(double x, double y, const std::string& token) {
  return fmt::format(R"(<text x="{}" y="{}" text-anchor="middle">{}</text>)", coordinate(x), coordinate(y),
                     xml_text(token));
}
std::string query_sign(double x, double y, const std::string& token) {
  return fmt::format(R"(<text x="{}" y="{}" text-anchor="end">{}</text>)", coordinate(x), coordinate(y),
                     xml_text(token));
}

// Pixels of a map that is open: room for a sign at each key, and not too small for few of them.
int64_t open_width(int64_t keys) {
  return std::clamp<int64_t>(13 * keys, 240, 8000);
}

// The tokens at the sides of a map, drawn once for all maps of a figure: keys above, queries on the left.
std::string axes(const std::string& name, const std::vector<std::string>& queries,
                 const std::vector<std::string>& keys) {
  const auto all_keys = std::ssize(keys);
  const double size = 12.0 * unit * static_cast<double>(all_keys) / static_cast<double>(open_width(all_keys));
  std::string svg = fmt::format(
      R"(<svg class="shared" width="0" height="0" aria-hidden="true"><defs><g id="{}" font-size="{}"><g class="keys">)",
      name, coordinate(size));
  for (std::size_t s = 0; s < keys.size(); ++s)
    svg += key_sign(unit * (static_cast<double>(s) + 0.5), -size / 3, keys[s]);
  svg += "</g><g class=\"queries\">";
  for (std::size_t t = 0; t < queries.size(); ++t)
    svg += query_sign(-size / 2, unit * (static_cast<double>(t) + 0.5) + size / 3, queries[t]);
  return svg + "</g></g></defs></svg>\n";
}

IndexedImage pixels_of(const Tensor& pattern, int64_t head) {
  const int64_t queries = pattern.shape()[1];
  const int64_t keys = pattern.shape()[2];
  IndexedImage result{keys, queries};
  for (const real p : pattern.values().subspan(static_cast<std::size_t>(head * queries * keys),
                                               static_cast<std::size_t>(queries * keys)))
    result.pixels.push_back(shade_of_probability(static_cast<double>(p)));
  return result;
}

double mean_entropy(const AttentionView& view, int64_t head) {
  const int64_t queries = view.entropy.last();
  double sum = 0;
  for (int64_t t = 0; t < queries; ++t) sum += static_cast<double>(view.entropy.data()[head * queries + t]);
  return sum / static_cast<double>(queries);
}

std::string map_of(const std::string& axes_name, const AttentionView& view, int64_t head, Language language) {
  const int64_t queries = view.pattern.shape()[1];
  const int64_t keys = view.pattern.shape()[2];
  const Text title{fmt::format("layer {}, head {}", view.layer, head),
                   fmt::format("第 {} 层，第 {} 头", view.layer, head)};
  const auto width = static_cast<double>(unit * keys);
  const auto height = static_cast<double>(unit * queries);
  return fmt::format(
      R"(<details class="map"><summary><svg viewBox="0 0 {} {}" role="img" data-axes="{}" style="--open:{}px">)"
      R"(<title>{}</title><use class="axes" href="#{}"/>{}</svg><span>L{}H{} · {:.2f}</span></summary></details>)"
      "\n",
      coordinate(width), coordinate(height), axes_name, open_width(keys), xml_text(line(title, language)), axes_name,
      image(pixels_of(view.pattern, head), 0, 0, width, height), view.layer, head, mean_entropy(view, head));
}

std::string short_value(double value) {
  const double size = std::fabs(value);
  return size > 0 && (size < 0.01 || size >= 1e5) ? fmt::format("{:.1e}", value)
                                                  : fmt::format("{:.{}f}", value, size < 10 ? 2 : 1);
}

// Smallest and largest finite number.
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  explicit Range(const TokenTable& table) {
    for (const std::vector<double>& row : table.values) {
      for (const double value : row) {
        if (!std::isfinite(value)) continue;
        low = std::min(low, value);
        high = std::max(high, value);
      }
    }
  }
  bool empty() const { return !(low <= high); }
  uint8_t shade(double value) const {
    if (!std::isfinite(value)) return hidden_shade;
    const double part = high > low ? (value - low) / (high - low) : 0;
    return static_cast<uint8_t>(std::lround(part * (shades - 1)));
  }
};

IndexedImage all_shades() {
  IndexedImage result{shades, 1};
  for (int i = 0; i < shades; ++i) result.pixels.push_back(static_cast<uint8_t>(i));
  return result;
}

std::string strips_svg(const std::string& name, const TokenTable& table, const std::vector<std::string>& tokens,
                       const Range& range, const std::string& title) {
  constexpr double cell = 13;
  constexpr double row = 18;
  constexpr double top = 26;  // above the strips: the scale
  double names = 0;
  for (const std::string& place : table.places) names = std::max(names, tool::text_width(place, tool::svg_font));
  const double left = names + 12;
  const double right = left + cell * static_cast<double>(tokens.size());
  const double bottom = top + row * static_cast<double>(table.places.size());
  IndexedImage pixels{std::ssize(tokens), std::ssize(table.places)};
  for (const std::vector<double>& values : table.values) {
    for (const double value : values) pixels.pixels.push_back(range.shade(value));
  }
  constexpr double scale_width = 90;
  const std::string low = short_value(range.low);
  const double scale_left = left + tool::text_width(low, tool::svg_font) + 6;
  const double width = std::max(right, scale_left + scale_width + 70) + 8;
  std::string svg = tool::svg_begin(width, bottom + 22, title, title, "");
  svg.insert(svg.find(' '),
             fmt::format(R"( data-axes="{}" data-low="{}" data-high="{}")", name, range.low, range.high));
  svg += image(pixels, left, top, right - left, bottom - top) + "\n<g id=\"" + name + "\"><g class=\"keys\">";
  for (std::size_t t = 0; t < tokens.size(); ++t)
    svg += svg_soft(left + cell * (static_cast<double>(t) + 0.5), bottom + 15, "middle", tokens[t]);
  svg += "</g><g class=\"queries\">";
  for (std::size_t p = 0; p < table.places.size(); ++p)
    svg += svg_soft(left - 6, top + row * (static_cast<double>(p) + 0.5) + 4, "end", table.places[p]);
  svg += "</g></g>\n" + svg_soft(left, 15, "start", low);
  svg += image(all_shades(), scale_left, 5, scale_width, 12);
  svg += svg_soft(scale_left + scale_width + 6, 15, "start", short_value(range.high));
  return svg + "</svg>\n";
}

}  // namespace

const std::array<Colour, 256>& palette() {
  static const std::array<Colour, 256> colours = [] {
    constexpr std::array<std::array<double, 3>, 3> stops{{{250, 252, 255}, {107, 174, 214}, {8, 48, 107}}};
    std::array<Colour, 256> all{};
    for (std::size_t i = 0; i < shades; ++i) {
      const double place = static_cast<double>(i) / (shades - 1) * 2;
      const std::size_t below = place < 1 ? 0 : 1;
      const auto mixed = [&](std::size_t channel) {
        const double from = stops[below][channel];
        return static_cast<uint8_t>(
            std::lround(from + (place - static_cast<double>(below)) * (stops[below + 1][channel] - from)));
      };
      all[i] = {mixed(0), mixed(1), mixed(2)};
    }
    all[hidden_shade] = {222, 222, 222};
    return all;
  }();
  return colours;
}

uint8_t shade_of_probability(double p) {
  if (!(p > 0)) return hidden_shade;
  return static_cast<uint8_t>(std::lround(std::sqrt(std::min(p, 1.0)) * (shades - 1)));
}

std::string probability_scale(Language language) {
  constexpr double left = 20;
  constexpr double width = 300;
  const Text name{"probability", "概率"};
  const double all = left + width + 14 + tool::text_width(line(name, language), tool::svg_font);
  std::string svg = fmt::format(
      R"(<svg class="scale" id="probability-scale" viewBox="0 0 {0} 40" width="{0}" height="40" role="img">)",
      coordinate(all));
  svg += "<title>" + xml_text(line(name, language)) + "</title>" + image(all_shades(), left, 4, width, 14);
  for (const double p : {0.0, 0.01, 0.1, 0.25, 0.5, 1.0})
    svg += fmt::format(R"(<text x="{}" y="34" text-anchor="middle">{}</text>)", coordinate(left + width * std::sqrt(p)),
                       p);
  svg += fmt::format(R"(<text x="{}" y="16">{}</text>)", coordinate(left + width + 10), xml_text(line(name, language)));
  return svg + "</svg>\n";
}

std::string attention_grid(const std::string& name, const Text& title, const std::vector<AttentionView>& views,
                           const std::vector<std::string>& queries, const std::vector<std::string>& keys,
                           const std::vector<int64_t>& layers, const std::vector<int64_t>& heads, Language language) {
  std::string html = "<figure class=\"maps\">\n" + lab::element("h3", title, language) + "\n";
  html += axes(name, queries, keys);
  for (const AttentionView& view : views) {
    if (std::ranges::find(layers, view.layer) == layers.end()) continue;
    html += fmt::format("<div class=\"map-row\" style=\"--columns:{}\">\n", heads.size());
    for (const int64_t head : heads) html += map_of(name, view, head, language);
    html += "</div>\n";
  }
  return html + "</figure>\n";
}

std::string token_strips(const std::string& name, const Text& title, const Text& caption, const TokenTable& table,
                         const std::vector<std::string>& tokens, Language language) {
  std::string html = "<figure>\n" + lab::element("h3", title, language) + "\n";
  const Range range(table);
  if (!range.empty())
    html += "<div class=\"scroll wide\">" + strips_svg(name, table, tokens, range, line(title, language)) + "</div>\n";
  html += "<figcaption>" + lab::element("p", caption, language) + "</figcaption>\n";
  lab::Table numbers{{Text("")}, {}};
  for (const std::string& token : tokens) numbers.head.emplace_back(token);
  for (std::size_t p = 0; p < table.places.size(); ++p) {
    numbers.rows.push_back({Text(table.places[p])});
    for (const double value : table.values[p])
      numbers.rows.back().emplace_back(std::isfinite(value) ? short_value(value) : "-");
  }
  return html + "<details class=\"wide-numbers\"><summary>" + lab::inline_words({"Numbers", "数据"}, language) +
         "</summary>" + lab::html_of(numbers, language) + "</details>\n</figure>\n";
}

std::string_view map_script() {
  return R"js(
(function () {
  var tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  document.body.appendChild(tip);

  // The pixels of an SVG image, read once; null until they are there.
  var known = new Map();
  function pixels(image) {
    if (known.has(image)) return known.get(image);
    known.set(image, null);
    var loaded = new Image();
    loaded.onload = function () {
      var canvas = document.createElement('canvas');
      canvas.width = loaded.naturalWidth;
      canvas.height = loaded.naturalHeight;
      var context = canvas.getContext('2d');
      context.drawImage(loaded, 0, 0);
      known.set(image, context.getImageData(0, 0, canvas.width, canvas.height));
    };
    loaded.src = image.getAttribute('href');
    return null;
  }
  function colour(data, i) { return data[4 * i] << 16 | data[4 * i + 1] << 8 | data[4 * i + 2]; }

  // The number of a colour in the scale; -1 for what is hidden.
  var shades = null;
  function shade(rgb, scale) {
    if (!shades) {
      shades = new Map();
      for (var i = 0; i < scale.width; ++i) shades.set(colour(scale.data, i), i);
    }
    return shades.has(rgb) ? shades.get(rgb) : -1;
  }
  function sign(axes, side, i) { return axes.querySelectorAll('.' + side + ' text')[i].textContent; }

  var ramp = document.querySelector('#probability-scale image');
  if (ramp) pixels(ramp);
  document.addEventListener('pointermove', function (event) {
    tip.hidden = true;
    var svg = event.target.closest && event.target.closest('svg[data-axes]');
    if (!svg || !ramp) return;
    var image = svg.querySelector('image'), box = image.getBoundingClientRect();
    var map = pixels(image), scale = pixels(ramp);
    if (!map || !scale) return;
    var column = Math.floor((event.clientX - box.left) / box.width * map.width);
    var row = Math.floor((event.clientY - box.top) / box.height * map.height);
    if (column < 0 || row < 0 || column >= map.width || row >= map.height) return;
    var s = shade(colour(map.data, row * map.width + column), scale), part = s / (scale.width - 1);
    var axes = document.getElementById(svg.dataset.axes), text;
    if (svg.dataset.low === undefined) {
      text = row + ' ' + sign(axes, 'queries', row) + ' → ' + column + ' ' + sign(axes, 'keys', column) + '   ' +
             (s < 0 ? '0' : (part * part).toPrecision(2));
    } else {
      var low = Number(svg.dataset.low), high = Number(svg.dataset.high);
      text = sign(axes, 'queries', row) + '   ' + column + ' ' + sign(axes, 'keys', column) + '   ' +
             (s < 0 ? '-' : (low + part * (high - low)).toPrecision(3));
    }
    tip.textContent = text;
    tip.hidden = false;
    tip.style.left = Math.min(event.clientX + 14, document.documentElement.clientWidth - tip.offsetWidth - 4) + 'px';
    tip.style.top = event.clientY + 14 + 'px';
  });

  // One map of a figure is large at a time.
  document.addEventListener('toggle', function (event) {
    if (!event.target.matches('details.map[open]')) return;
    event.target.closest('figure').querySelectorAll('details.map[open]').forEach(function (other) {
      if (other !== event.target) other.open = false;
    });
  }, true);
})();
)js";
}

}  // namespace tape::inline TAPE_ABI::inspect
