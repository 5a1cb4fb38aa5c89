// The page of `tapeformer inspect`, and its sections for other pages about a run.
#pragma once

#include <string>
#include <vector>

#include <tape/examples/inspect/input.h>
#include <tape/examples/inspect/observation.h>
#include <tape/examples/lab/text.h>
#include <tape/examples/support/run_folder.h>

namespace tape::inline TAPE_ABI::inspect {

/// Which layers and heads are shown, counted from 0. Empty: as many as make a page of a few megabytes, evenly spaced.
struct Selection {
  std::vector<int64_t> layers = {};
  std::vector<int64_t> heads = {};
};

/// The layers and heads that are shown of a stack: those selected, or by default all heads and up to 16 layers as long
/// as all maps have at most 2²¹ numbers. Throws Error that names --layers or --heads for a number that no stack has.
Selection chosen(const Observation& observation, const Selection& selection);

/// <section> elements for a page of lab::html_page, whose style they use: the text, predictions, attention maps, their
/// entropy, stream, norms, feed-forward activity, outliers; and a script that is not needed to read them.
std::string sections(const Input& input, const Observation& observation, const Selection& selection,
                     lab::Language language);

/// The same for the run in a folder: reads its model, runs it on the text.
std::string sections(const tool::RunFolder& folder, const TextRequest& request, const Selection& selection,
                     lab::Language language);

/// A whole page with these sections.
std::string page(const tool::RunFolder& folder, const TextRequest& request, const Selection& selection,
                 lab::Language language);

}  // namespace tape::inline TAPE_ABI::inspect
