// Claims and verdicts. A claim has what the article says, what the paper says, and criteria: measured numbers with
// bounds that stand in the source before anything is run. The verdict follows from these alone, and a result that
// disagrees with the article, with a paper or with our own expectation is published as it is.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <tape/examples/lab/results.h>
#include <tape/examples/lab/text.h>

namespace tape::inline TAPE_ABI::lab {

enum class Verdict { reproduced, not_reproduced, wrong_as_stated, no_data };
/// "reproduced", …, for people.
Text title_of(Verdict verdict);

/// A measured number and the range that it has to lie in: the mean over seeds decides, the spread is shown.
struct Criterion {
  Text name;
  std::function<Estimate(const Results&)> measured;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

struct Claim {
  Text article;        ///< what the article says
  Text paper;          ///< what the paper says
  std::string source;  ///< where
  std::vector<Criterion> criteria = {};
  Verdict if_all_hold = Verdict::reproduced;
  Verdict otherwise = Verdict::not_reproduced;
  Text remark = {};  ///< what the verdict does and does not mean
};

struct Outcome {
  Text criterion;  ///< with its range: "slope of Post-LN: -0.1 … 0.1"
  Estimate measured;
  bool known = false;  ///< something was measured
  bool holds = false;
};
/// "✓", "✗", or "…" where nothing is known.
const char* sign_of(const Outcome& outcome);

struct Finding {
  Verdict verdict = Verdict::no_data;
  std::vector<Outcome> outcomes;
};

/// Evaluates all criteria. As long as one has no number the verdict is no_data; a criterion with numbers that are not
/// finite beside finite ones does not hold.
Finding judge(const Claim& claim, const Results& results);

}  // namespace tape::inline TAPE_ABI::lab
