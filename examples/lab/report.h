// The report: one self-contained page with the verdicts, the figures, the numbers behind them and how they were made.
#pragma once

#include <string>
#include <vector>

#include <tape/examples/lab/experiment.h>

namespace tape::inline TAPE_ABI::lab {

/// A statement of the article that no experiment can judge, and what the sources say.
struct Statement {
  Text article;
  Text sources;
};
const std::vector<Statement>& unmeasured_statements();

/// The page of all data in `folder`: experiments without data are named as such. Throws Error for damaged data.
std::string report(const std::string& folder, Language language);

}  // namespace tape::inline TAPE_ABI::lab
