#include <tape/examples/lab/claim.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::string range_of(const Criterion& c) {
  if (std::isfinite(c.low) && std::isfinite(c.high)) return fmt::format("{:g} … {:g}", c.low, c.high);
  return std::isfinite(c.low) ? fmt::format("≥ {:g}", c.low) : fmt::format("≤ {:g}", c.high);
}

}  // namespace

Text title_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::reproduced:
      return {"reproduced", "已重现"};
    case Verdict::not_reproduced:
      return {"not reproduced", "未能重现"};
    case Verdict::wrong_as_stated:
      return {"wrong as stated", "表述有误"};
    case Verdict::no_data:
      return {"no data yet", "尚无数据"};
  }
  return {};
}

const char* sign_of(const Outcome& outcome) {
  return !outcome.known ? "…" : outcome.holds ? "✓" : "✗";
}

Finding judge(const Claim& claim, const Results& results) {
  Finding finding;
  for (const Criterion& criterion : claim.criteria) {
    Outcome outcome{
        .criterion = {criterion.name.en + ": " + range_of(criterion), criterion.name.zh + "：" + range_of(criterion)},
        .measured = criterion.measured(results)};
    const Estimate& e = outcome.measured;
    outcome.known = e.count > 0;
    outcome.holds = outcome.known && e.not_finite == 0 && e.mean >= criterion.low && e.mean <= criterion.high;
    finding.outcomes.push_back(outcome);
  }
  const bool known = std::ranges::all_of(finding.outcomes, &Outcome::known);
  const bool hold = std::ranges::all_of(finding.outcomes, &Outcome::holds);
  if (known && !finding.outcomes.empty()) finding.verdict = hold ? claim.if_all_hold : claim.otherwise;
  return finding;
}

}  // namespace tape::inline TAPE_ABI::lab
