// What an inspection lets a model read: a text that was given, or one from the data that validated its run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tape/examples/support/batch.h>
#include <tape/examples/support/model.h>
#include <tape/examples/support/saved_run.h>

namespace tape::inline TAPE_ABI::inspect {

struct TextRequest {
  std::optional<std::string> text;    ///< for encdec the source; none: from the data that validate
  std::optional<std::string> target;  ///< encdec only; none: what the model itself writes, the likeliest each time
  std::optional<std::string> mask;    ///< bert only: the character that marks a gap; none: "_"
};

/// One row for the model, and how its tokens are shown.
struct Input {
  tool::Batch batch;                     ///< B = 1; the target is ignore_index where nothing is expected
  std::vector<std::string> tokens;       ///< of batch.input
  std::vector<std::string> source = {};  ///< of batch.source
  std::vector<std::string> expected;     ///< of batch.target, empty where nothing is
  bool given = true;                     ///< false: from the data
  bool translated = false;               ///< the target is the model's own
};

/// Throws Error that names the option for a text that is empty, has unknown characters or exceeds the context, and for
/// options of another architecture; without a text, when the data of the run can not be read any more.
Input input_of(const tool::SavedRun& run, const tool::Model& model, const TextRequest& request);

/// One sign for each token: the character itself, ␣ ↵ ⇥ for those without ink, ▸ begin, ■ end, ▢ gap.
std::string token_sign(int32_t token, const tool::SavedRun& run);

}  // namespace tape::inline TAPE_ABI::inspect
