// The verdicts and figures in Markdown, for notes, slides and repositories: what the page says, in short.
#pragma once

#include <string>

#include <tape/examples/lab/text.h>

namespace tape::inline TAPE_ABI::lab {

/// Writes DIR/report.md and, for each picture of an experiment, DIR/figures/NAME-1.svg, NAME-2.svg, … Experiments
/// without data are left out. Throws Error for damaged data, and when a file can not be written.
void write_markdown(const std::string& folder, Language language);

}  // namespace tape::inline TAPE_ABI::lab
