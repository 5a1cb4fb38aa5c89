#include <tape/examples/lab/assessment.h>

#include <fmt/format.h>

#include <tape/examples/lab/store.h>

namespace tape::inline TAPE_ABI::lab {

Text size_of(const Results& results) {
  const std::size_t cells = results.rows().size();
  const std::size_t seeds = results.numbers("seed").size();
  return {fmt::format("{} cells, {} seeds", cells, seeds), fmt::format("{} 个单元，{} 个种子", cells, seeds)};
}

std::vector<Assessment> assess(const std::string& folder) {
  std::vector<Assessment> all;
  for (const Experiment& e : experiments()) {
    all.push_back({&e, Results(read_rows(folder, e)), {}});
    for (const Claim& claim : e.claims) all.back().findings.push_back(judge(claim, all.back().results));
  }
  return all;
}

}  // namespace tape::inline TAPE_ABI::lab
