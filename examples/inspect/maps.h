// Pictures of many numbers at once: a grid of attention maps, a row for each layer and a column for each head, and
// strips with a column for each token.
//
// Each is an inline SVG around a small PNG with a pixel for each number, a byte before compression: 100 layers of 8
// heads over 64 tokens are about 2 MB of page, where a rectangle for each number would be 200. Colours go from near
// white to dark blue with falling lightness, alike for all eyes; a dark theme turns them round.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <tape/examples/inspect/observation.h>
#include <tape/examples/inspect/png.h>
#include <tape/examples/lab/text.h>

namespace tape::inline TAPE_ABI::inspect {

constexpr uint8_t hidden_shade = 255;

/// Colours of the shades 0 … 254, all different, from light to dark, and of hidden_shade.
const std::array<Colour, 256>& palette();
/// ⌊254·√p + ½⌋: small probabilities can be told apart too; hidden_shade for p = 0, a hidden key.
uint8_t shade_of_probability(double p);

/// The scale of attention maps. A page with maps has it once, before them.
std::string probability_scale(lab::Language language);

/// One figure: for each of `layers` a row of maps, one for each of `heads`. Each is a <details> that opens to the same
/// map with its tokens at the sides. `name` is unique on the page.
std::string attention_grid(const std::string& name, const lab::Text& title, const std::vector<AttentionView>& views,
                           const std::vector<std::string>& queries, const std::vector<std::string>& keys,
                           const std::vector<int64_t>& layers, const std::vector<int64_t>& heads,
                           lab::Language language);

/// One figure of a table by token: a strip for each place, from the smallest number (light) to the largest, and the
/// numbers themselves in a table that can be opened.
std::string token_strips(const std::string& name, const lab::Text& title, const lab::Text& caption,
                         const TokenTable& table, const std::vector<std::string>& tokens, lab::Language language);

/// What lets a pointer read numbers from maps and strips. Pages are complete without it.
std::string_view map_script();

}  // namespace tape::inline TAPE_ABI::inspect
