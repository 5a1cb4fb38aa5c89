// Inside runs: what watch.jsonl says about their layers.
#pragma once

#include <tape/examples/report/course.h>

namespace tape::inline TAPE_ABI::report {

/// All watched runs on the same axes: the typical update beside the guide of 1e-3, and profiles over depth at the last
/// step. Says how to watch where a run was not. Its html is empty when there is nothing to say.
Section comparison_section(const std::vector<RunData>& runs, Language language);

/// Maps of layers over steps, one section for each watched run; the maps of all runs that did not diverge have the same
/// colours.
std::vector<Section> inside_sections(const std::vector<RunData>& runs, Language language);

}  // namespace tape::inline TAPE_ABI::report
