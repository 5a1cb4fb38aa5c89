// The page about runs: one self-contained file that compares them and looks into each.
#pragma once

#include <string>
#include <vector>

#include <tape/examples/report/run_data.h>
#include <tape/examples/report/section.h>

namespace tape::inline TAPE_ABI::report {

/// All sections about these runs: their state, course, layers and settings.
std::vector<Section> sections_of(const std::vector<RunData>& runs, Language language);

/// The contents of a page and its sections, without the page around them.
std::string body_of(const std::vector<Section>& sections, Language language);

/// A whole page, for a file.
std::string page(const std::vector<Section>& sections, Language language);

/// A whole page that fetches what body_of says anew from `address` every few seconds; without JavaScript the browser
/// loads all of it again.
std::string live_page(const std::vector<Section>& sections, Language language, const std::string& address);

}  // namespace tape::inline TAPE_ABI::report
